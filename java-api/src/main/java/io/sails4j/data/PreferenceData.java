package io.sails4j.data;

import io.sails4j.InputException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;

/**
 * Preference data as a model's tokens.
 *
 * @param pairs at least one
 * @param options that they were read with
 * @param notes sentences on what was read, left out and cut
 */
public record PreferenceData(List<TokenPair> pairs, DataOptions options, List<String> notes) {
    public PreferenceData {
        pairs = List.copyOf(pairs);
        notes = List.copyOf(notes);
    }

    /**
     * Reads a file: HH-RLHF or TRL preference lines, tokenised by the model's tokenizer and chat template, or pairs that were tokenised
     * before.
     *
     * @param file {@code .jsonl}, {@code .jsonl.gz} or {@code .safetensors}
     * @param model directory with the tokenizer, which tokenised pairs do not need
     * @throws InputException where the file is broken or has no usable pair
     */
    public static PreferenceData load(Path file, Path model, DataOptions options) {
        if (TokenPairs.isTokenFile(file)) {
            return new PreferenceData(limited(file, TokenPairs.read(file), options), options, List.of());
        }
        PreferenceSet set = PreferenceReader.read(file);
        List<String> notes = new ArrayList<>();
        notes.add(set.pairs().size() + " pairs from " + set.report().lines() + " lines of " + file);
        notes.addAll(set.report().sentences());
        try (Tokenizer tokenizer = Tokenizer.load(model)) {
            PairTokenizer pairs = new PairTokenizer(tokenizer, options.maxLength());
            List<TokenPair> tokens = pairs.tokenize(limited(file, set.pairs(), options));
            if (!pairs.report().isEmpty()) {
                notes.add(pairs.report());
            }
            return new PreferenceData(tokens, options, notes);
        }
    }

    private static <T> List<T> limited(Path file, List<T> all, DataOptions options) {
        if (all.isEmpty()) {
            throw new InputException(file + " has no preference pair");
        }
        return options.limit() == 0 || options.limit() >= all.size() ? all : all.subList(0, options.limit());
    }
}
