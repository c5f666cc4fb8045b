package io.sails4j.cli;

import io.sails4j.InputException;
import io.sails4j.config.ModelConfig;
import io.sails4j.data.DataOptions;
import io.sails4j.data.PreferenceData;
import io.sails4j.data.TokenPair;
import java.nio.file.Path;
import java.util.List;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.Spec;

/** Preference data as tokens. */
final class DataArguments {
    @Spec(Spec.Target.MIXEE)
    private CommandSpec command;

    @Option(names = "--data", paramLabel = "FILE",
        description = "preference data (HH-RLHF, TRL, UltraFeedback, Orca, PKU-SafeRLHF, ShareGPT) as jsonl, json, gzip of them or"
            + " Parquet, or safetensors with aligned.* and unaligned.* input_ids, attention_mask, token_mask")
    private @Nullable Path data;

    boolean given() {
        return data != null;
    }

    Path path() {
        if (data == null) {
            throw new InputException("--data is missing: name the preference data");
        }
        return data;
    }

    DataOptions options() {
        return OptionFlags.values(command, DataOptions.defaults());
    }

    /** An error where sequences were asked for that are longer than the model's positions; without the option the data itself decides. */
    void requirePositions(ModelConfig config) {
        if (OptionFlags.given(command, DataOptions.defaults()).containsKey("max_length")) {
            config.requirePositions("max_length is", options().maxLength(),
                "choose max_length=" + config.maxPositionEmbeddings() + " or less");
        }
    }

    /** Reads, reports what was left out, and tokenises by the model's tokenizer. */
    List<TokenPair> load(Path model, CommonOptions common) {
        PreferenceData read = PreferenceData.load(path(), model, options());
        read.notes().forEach(note -> common.message("data: " + note));
        return read.pairs();
    }
}
