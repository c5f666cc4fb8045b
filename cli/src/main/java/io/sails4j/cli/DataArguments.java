package io.sails4j.cli;

import io.sails4j.data.PairTokenizer;
import io.sails4j.data.PreferenceReader;
import io.sails4j.data.PreferenceSet;
import io.sails4j.data.TokenPair;
import io.sails4j.data.TokenPairs;
import io.sails4j.data.Tokenizer;
import io.sails4j.io.InputException;
import java.nio.file.Path;
import java.util.List;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Option;

/** Preference data as tokens. */
final class DataArguments {
    @Option(names = "--data", paramLabel = "FILE",
        description = "HH-RLHF or TRL preference jsonl(.gz), or safetensors with aligned.* and unaligned.* input_ids, attention_mask, token_mask")
    private @Nullable Path data;

    @Option(names = "--max-length", defaultValue = "1024", paramLabel = "N", description = "longest sequence in tokens (default: ${DEFAULT-VALUE})")
    private int maxLength;

    @Option(names = "--limit", defaultValue = "0", paramLabel = "N", description = "use the first N pairs only, 0 = all (default)")
    private int limit;

    Path path() {
        if (data == null) {
            throw new InputException("--data is missing: name the preference data");
        }
        return data;
    }

    int maxLength() {
        return maxLength;
    }

    int limit() {
        return limit;
    }

    /** Reads, reports what was left out, and tokenises by the model's tokenizer. */
    List<TokenPair> load(Path model, CommonOptions common) {
        if (limit < 0) {
            throw common.wrong("--limit is " + limit + ", expected 0 (all) or more");
        }
        Path data = path();
        if (TokenPairs.isTokenFile(data)) {
            return limited(TokenPairs.read(data));
        }
        PreferenceSet set = PreferenceReader.read(data);
        common.message("data: " + set.pairs().size() + " pairs from " + set.report().lines() + " lines of " + data);
        set.report().sentences().forEach(sentence -> common.message("data: " + sentence));
        try (Tokenizer tokenizer = Tokenizer.load(model)) {
            PairTokenizer pairs = new PairTokenizer(tokenizer, maxLength);
            List<TokenPair> tokens = pairs.tokenize(limited(set.pairs()));
            if (!pairs.report().isEmpty()) {
                common.message("data: " + pairs.report());
            }
            return tokens;
        }
    }

    private <T> List<T> limited(List<T> all) {
        if (all.isEmpty()) {
            throw new InputException(path() + " has no preference pair");
        }
        return limit == 0 || limit >= all.size() ? all : all.subList(0, limit);
    }
}
