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
     * Reads a file: preference data in one of the formats of {@link DataFormat}, tokenised by the model's tokenizer and chat template, or
     * pairs that were tokenised before.
     *
     * @param file JSON lines or a JSON array, plain or gzipped, Parquet, or {@code .safetensors}
     * @param model directory with the tokenizer, which tokenised pairs do not need
     * @throws InputException where the file is broken or has no usable pair
     */
    public static PreferenceData load(Path file, Path model, DataOptions options) {
        if (TokenPairs.isTokenFile(file)) {
            List<TokenPair> all = TokenPairs.read(file);
            return new PreferenceData(limited(file, all, options), options,
                List.of(pairs(all.size()) + " from " + file + ", read as tokens"));
        }
        PreferenceSet set = PreferenceReader.read(file);
        List<String> notes = new ArrayList<>();
        notes.add(pairs(set.pairs().size()) + " from " + set.report().read() + " of " + file + ", read as "
            + set.format().title());
        notes.addAll(set.report().sentences());
        try (Tokenizer tokenizer = Tokenizer.load(model)) {
            ChatTemplate template = new ChatTemplate(tokenizer, options.template());
            notes.add("chat template: " + template.where());
            PairTokenizer pairs = new PairTokenizer(tokenizer, template, options.maxLength());
            List<PreferencePair> usable = pairs.usable(set.pairs());
            if (usable.isEmpty()) {
                throw new InputException(file + " has no pair for this model: " + String.join("; ", pairs.report()));
            }
            List<TokenPair> tokens = pairs.tokenize(limited(file, usable, options));
            notes.addAll(pairs.report());
            Origin first = usable.getFirst().origin();
            notes.add("first pair (" + first.unit().named(first.number()) + "): " + TokenText.brief(tokenizer, tokens.getFirst()));
            return new PreferenceData(tokens, options, notes);
        }
    }

    private static String pairs(int n) {
        return n + (n == 1 ? " pair" : " pairs");
    }

    private static <T> List<T> limited(Path file, List<T> all, DataOptions options) {
        if (all.isEmpty()) {
            throw new InputException(file + " has no preference pair");
        }
        return options.limit() == 0 || options.limit() >= all.size() ? all : all.subList(0, options.limit());
    }
}
