package io.sails4j.saetrain;

import io.sails4j.InputException;
import io.sails4j.config.ModelConfig;
import io.sails4j.data.DataOptions;
import io.sails4j.data.PreferenceData;
import io.sails4j.data.TokenPair;
import io.sails4j.data.TokenSequence;
import io.sails4j.data.Tokenizer;
import io.sails4j.utility.TextDocument;
import io.sails4j.utility.TextFile;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.jspecify.annotations.Nullable;

/**
 * Texts of any kind as a model's tokens: both answers of preference pairs, tables with a column of texts, plain text.
 *
 * @param sequences at least one
 * @param sides of each sequence {@link #ALIGNED}, {@link #UNALIGNED}, or {@link #TEXT} where it has none
 * @param notes sentences on what was read
 */
public record TextCorpus(List<TokenSequence> sequences, List<Integer> sides, List<String> notes) {
    /** The side of an aligned answer. */
    public static final int ALIGNED = 0;
    /** The side of an unaligned answer. */
    public static final int UNALIGNED = 1;
    /** No side. */
    public static final int TEXT = -1;

    private static final Pattern TEXT_NAME = Pattern.compile("(?i).*\\.(txt|text|md|raw|tokens)");
    private static final Pattern COLUMN = Pattern.compile("(?s)(.+)=([^=/]+)");

    public TextCorpus {
        sequences = List.copyOf(sequences);
        sides = List.copyOf(sides);
        notes = List.copyOf(notes);
    }

    /**
     * Reads files.
     *
     * @param files preference data in the forms of {@link PreferenceData}, {@code NAME.txt} as one text, or {@code FILE=COLUMN}: a table or
     *        JSON lines with a text a row
     * @param model directory with the tokenizer
     * @param options longer texts are cut into pieces of the longest length, longer dialogues as preference data are
     */
    public static TextCorpus read(List<String> files, Path model, DataOptions options) {
        Reading reading = new Reading(model, options);
        files.forEach(reading::read);
        if (reading.sequences.isEmpty()) {
            throw new InputException("the data has no text, expected one or more files of texts or preference pairs");
        }
        int longest = reading.sequences.stream().mapToInt(TokenSequence::length).max().orElse(0);
        ModelConfig config = ModelConfig.read(model);
        config.requirePositions("the length of the longest sequence is", longest,
            "cut the data with max_length=" + config.maxPositionEmbeddings());
        return new TextCorpus(reading.sequences, reading.sides, reading.notes);
    }

    /** The files of such names, for their hashes. */
    public static List<Path> paths(List<String> files) {
        return files.stream().map(TextCorpus::path).toList();
    }

    private static Path path(String given) {
        Matcher column = column(given);
        return column == null ? Path.of(given) : Path.of(column.group(1));
    }

    private static @Nullable Matcher column(String given) {
        Matcher column = COLUMN.matcher(given);
        return !Files.exists(Path.of(given)) && column.matches() ? column : null;
    }

    private static final class Reading {
        private final Path model;
        private final DataOptions options;
        private final List<TokenSequence> sequences = new ArrayList<>();
        private final List<Integer> sides = new ArrayList<>();
        private final List<String> notes = new ArrayList<>();

        Reading(Path model, DataOptions options) {
            this.model = model;
            this.options = options;
        }

        void read(String given) {
            Matcher column = column(given);
            if (column != null) {
                texts(TextFile.read(Path.of(column.group(1)), column.group(2)));
            } else if (TEXT_NAME.matcher(given).matches()) {
                texts(TextFile.read(Path.of(given), null));
            } else {
                pairs(PreferenceData.load(Path.of(given), model, options));
            }
        }

        private void pairs(PreferenceData data) {
            notes.addAll(data.notes());
            for (TokenPair pair : data.pairs()) {
                add(pair.aligned(), ALIGNED);
                add(pair.unaligned(), UNALIGNED);
            }
        }

        private void texts(TextFile file) {
            notes.addAll(file.notes());
            int before = sequences.size();
            try (Tokenizer tokenizer = Tokenizer.load(model)) {
                List<TextDocument> documents = options.limit() == 0 ? file.documents()
                    : file.documents().subList(0, Math.min(options.limit(), file.documents().size()));
                documents.forEach(document -> pieces(tokenizer, document));
            }
            notes.add((sequences.size() - before) + " sequences from " + file.documents().size() + " texts of " + file.path());
        }

        /** Each piece begins as a text does, with BOS. */
        private void pieces(Tokenizer tokenizer, TextDocument document) {
            int[] body = tokenizer.encodeText(document.text());
            int most = options.maxLength() - 1;
            for (int from = 0; from < body.length; from += most) {
                int[] ids = new int[Math.min(most, body.length - from) + 1];
                ids[0] = tokenizer.bosId();
                System.arraycopy(body, from, ids, 1, ids.length - 1);
                boolean[] counted = new boolean[ids.length];
                Arrays.fill(counted, 1, counted.length, true);
                add(new TokenSequence(ids, counted, document.origin()), TEXT);
            }
        }

        private void add(TokenSequence sequence, int side) {
            sequences.add(sequence);
            sides.add(side);
        }
    }
}
