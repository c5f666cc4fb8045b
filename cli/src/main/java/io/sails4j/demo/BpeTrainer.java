package io.sails4j.demo;

import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import io.sails4j.data.ControlTokens;
import io.sails4j.files.AtomicFiles;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Comparator;
import java.util.HashMap;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.PriorityQueue;
import java.util.Set;
import java.util.TreeMap;

/**
 * Learns a small byte-pair tokenizer (arXiv:1508.07909) from a corpus and writes it as a Hugging Face {@code tokenizer.json} of Gemma's
 * kind: spaces become U+2581, unknown characters fall back to bytes. For models that are made from nothing, such as the demo's. The same
 * corpus gives the same file.
 */
public final class BpeTrainer {
    private static final char SPACE = '\u2581';

    private final List<String> control;
    private final Map<String, Integer> vocabulary = new LinkedHashMap<>();
    private final List<String> tokens = new ArrayList<>();
    private final List<String[]> merges = new ArrayList<>();

    private BpeTrainer(ControlTokens family) {
        this.control = family.learnt();
        control.forEach(this::add);
        for (int b = 0; b < 256; b++) {
            add(String.format(Locale.ROOT, "<0x%02X>", b));
        }
    }

    /** Writes a tokenizer with at most {@code vocabSize} tokens, the family's control tokens first; returns how many it has. */
    public static int train(Iterable<String> corpus, int vocabSize, ControlTokens family, Path target) {
        BpeTrainer trainer = new BpeTrainer(family);
        List<Word> words = words(corpus);
        trainer.addCharacters(words, vocabSize);
        trainer.learn(words, vocabSize);
        AtomicFiles.writeJson(target, trainer.json());
        return trainer.tokens.size();
    }

    /** A distinct word as token ids, and how often it occurs. */
    private static final class Word {
        private final String text;
        private final long count;
        private int[] ids = new int[0];

        Word(String text, long count) {
            this.text = text;
            this.count = count;
        }
    }

    private int add(String token) {
        vocabulary.put(token, tokens.size());
        tokens.add(token);
        return tokens.size() - 1;
    }

    /** Words begin with their space and are letters or digits, or are single other characters: merges stay inside them. */
    private static List<Word> words(Iterable<String> corpus) {
        Map<String, Long> counts = new TreeMap<>();
        for (String text : corpus) {
            String spaced = text.replace(' ', SPACE);
            int begin = 0;
            for (int i = 1; i <= spaced.length(); i++) {
                if (i < spaced.length() && Character.isLowSurrogate(spaced.charAt(i))) {
                    continue; // the second half of a character
                }
                if (i == spaced.length()
                    || !(Character.isLetterOrDigit(spaced.charAt(i)) && (Character.isLetterOrDigit(spaced.charAt(i - 1))
                        || spaced.charAt(i - 1) == SPACE))) {
                    counts.merge(spaced.substring(begin, i), 1L, Long::sum);
                    begin = i;
                }
            }
        }
        List<Word> words = new ArrayList<>();
        counts.forEach((text, count) -> words.add(new Word(text, count)));
        return words;
    }

    /** Characters by falling frequency, as many as leave half of the vocabulary to merges. */
    private void addCharacters(List<Word> words, int vocabSize) {
        Map<String, Long> counts = new TreeMap<>();
        for (Word word : words) {
            word.text.codePoints().filter(c -> !(c >= Character.MIN_SURROGATE && c <= Character.MAX_SURROGATE))
                .forEach(c -> counts.merge(Character.toString(c), word.count, Long::sum));
        }
        int room = Math.max(0, (vocabSize - tokens.size()) / 2);
        counts.entrySet().stream().sorted(Map.Entry.<String, Long>comparingByValue().reversed().thenComparing(Map.Entry.comparingByKey()))
            .limit(room).forEach(e -> add(e.getKey()));
        for (Word word : words) {
            word.ids = word.text.codePoints().boxed().flatMap(c -> fallback(Character.toString(c)).stream()).mapToInt(i -> i).toArray();
        }
    }

    private List<Integer> fallback(String character) {
        Integer id = vocabulary.get(character);
        if (id != null) {
            return List.of(id);
        }
        List<Integer> bytes = new ArrayList<>();
        for (byte b : character.getBytes(StandardCharsets.UTF_8)) {
            bytes.add(control.size() + (b & 0xff));
        }
        return bytes;
    }

    private record Candidate(long pair, long count) {
    }

    private void learn(List<Word> words, int vocabSize) {
        Map<Long, Long> counts = new HashMap<>();
        Map<Long, Set<Integer>> where = new HashMap<>();
        for (int w = 0; w < words.size(); w++) {
            count(words.get(w), w, 1, counts, where);
        }
        // Most frequent first, then the lower ids; stale entries are skipped when they come up.
        PriorityQueue<Candidate> queue = new PriorityQueue<>(
            Comparator.comparingLong((Candidate c) -> -c.count()).thenComparingLong(Candidate::pair));
        counts.forEach((pair, count) -> queue.add(new Candidate(pair, count)));
        while (tokens.size() < vocabSize && !queue.isEmpty()) {
            Candidate best = queue.poll();
            if (best.count() < 2 || counts.getOrDefault(best.pair(), 0L) != best.count()) {
                continue;
            }
            merge(best.pair(), words, counts, where, queue);
        }
    }

    private static long pair(int a, int b) {
        return (long) a << 32 | b;
    }

    private void count(Word word, int index, int sign, Map<Long, Long> counts, Map<Long, Set<Integer>> where) {
        for (int i = 0; i + 1 < word.ids.length; i++) {
            // Bytes stay bytes: a merge of them could end inside a character.
            if (isByte(word.ids[i]) || isByte(word.ids[i + 1])) {
                continue;
            }
            long pair = pair(word.ids[i], word.ids[i + 1]);
            counts.merge(pair, sign * word.count, Long::sum);
            if (sign > 0) {
                where.computeIfAbsent(pair, p -> new HashSet<>()).add(index);
            }
        }
    }

    private boolean isByte(int id) {
        return id < control.size() + 256;
    }

    private void merge(long pair, List<Word> words, Map<Long, Long> counts, Map<Long, Set<Integer>> where, PriorityQueue<Candidate> queue) {
        int a = (int) (pair >>> 32);
        int b = (int) pair;
        String joined = tokens.get(a) + tokens.get(b);
        Integer known = vocabulary.get(joined);
        int id = known != null ? known : add(joined);
        merges.add(new String[] {tokens.get(a), tokens.get(b)});
        Set<Long> touched = new HashSet<>();
        for (int w : where.getOrDefault(pair, Set.of()).stream().sorted().toList()) {
            Word word = words.get(w);
            count(word, w, -1, counts, where);
            collect(word, touched);
            word.ids = replaced(word.ids, a, b, id);
            count(word, w, 1, counts, where);
            collect(word, touched);
        }
        where.remove(pair);
        for (long changed : touched) {
            long count = counts.getOrDefault(changed, 0L);
            if (count > 0) {
                queue.add(new Candidate(changed, count));
            }
        }
    }

    private static void collect(Word word, Set<Long> pairs) {
        for (int i = 0; i + 1 < word.ids.length; i++) {
            pairs.add(pair(word.ids[i], word.ids[i + 1]));
        }
    }

    private static int[] replaced(int[] ids, int a, int b, int id) {
        int[] out = new int[ids.length];
        int n = 0;
        for (int i = 0; i < ids.length; i++) {
            if (i + 1 < ids.length && ids[i] == a && ids[i + 1] == b) {
                out[n++] = id;
                i++;
            } else {
                out[n++] = ids[i];
            }
        }
        return Arrays.copyOf(out, n);
    }

    private ObjectNode json() {
        ObjectNode root = new ObjectMapper().createObjectNode();
        root.put("version", "1.0").putNull("truncation").putNull("padding");
        ArrayNode added = root.putArray("added_tokens");
        for (int id = 0; id < control.size(); id++) {
            added.addObject().put("id", id).put("content", control.get(id)).put("single_word", false).put("lstrip", false)
                .put("rstrip", false)
                .put("normalized", false).put("special", true);
        }
        ObjectNode normalizer = root.putObject("normalizer").put("type", "Replace");
        normalizer.putObject("pattern").put("String", " ");
        normalizer.put("content", String.valueOf(SPACE));
        root.putNull("pre_tokenizer").putNull("post_processor");
        ObjectNode decoder = root.putObject("decoder").put("type", "Sequence");
        ArrayNode decoders = decoder.putArray("decoders");
        ObjectNode replace = decoders.addObject().put("type", "Replace");
        replace.putObject("pattern").put("String", String.valueOf(SPACE));
        replace.put("content", " ");
        decoders.addObject().put("type", "ByteFallback");
        decoders.addObject().put("type", "Fuse");
        ObjectNode model = root.putObject("model").put("type", "BPE").putNull("dropout").put("unk_token", "<unk>")
            .putNull("continuing_subword_prefix").putNull("end_of_word_suffix").put("fuse_unk", true).put("byte_fallback", true)
            .put("ignore_merges", false);
        ObjectNode vocab = model.putObject("vocab");
        vocabulary.forEach(vocab::put);
        ArrayNode list = model.putArray("merges");
        merges.forEach(m -> list.addArray().add(m[0]).add(m[1]));
        return root;
    }
}
