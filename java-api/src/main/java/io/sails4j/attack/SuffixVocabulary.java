package io.sails4j.attack;

import io.sails4j.InputException;
import io.sails4j.data.Tokenizer;
import java.util.Arrays;
import java.util.Collections;
import java.util.PriorityQueue;
import java.util.stream.IntStream;

/** The tokens that a suffix may have: printable ASCII that is the same token again when it is read, and no control token. */
final class SuffixVocabulary {
    private final int[] ids;

    private SuffixVocabulary(int[] ids) {
        this.ids = ids;
    }

    static SuffixVocabulary of(Tokenizer tokenizer, long vocabSize) {
        int[] ids = IntStream.range(0, Math.toIntExact(vocabSize)).filter(id -> {
            String text = tokenizer.decode(new int[] {id}, true);
            return !text.isEmpty() && text.chars().allMatch(c -> c >= ' ' && c <= '~')
                && Arrays.equals(tokenizer.encodeText(text), new int[] {id});
        }).toArray();
        if (ids.length == 0) {
            throw new InputException(tokenizer.file() + " has no token of printable ASCII, expected some to write a suffix with");
        }
        return new SuffixVocabulary(ids);
    }

    int size() {
        return ids.length;
    }

    int get(int i) {
        return ids[i];
    }

    /** The tokens with the lowest of some numbers; equal ones by their ids. */
    int[] lowest(float[] values, int from, int most) {
        PriorityQueue<Long> kept = new PriorityQueue<>(Collections.reverseOrder());
        for (int id : ids) {
            long key = (long) ordered(values[from + id]) << 32 | id;
            if (kept.size() < most) {
                kept.add(key);
            } else if (key < kept.element()) {
                kept.remove();
                kept.add(key);
            }
        }
        return kept.stream().sorted().mapToInt(Long::intValue).toArray();
    }

    /** An int that is ordered as the float is. */
    private static int ordered(float value) {
        int bits = Float.floatToIntBits(value);
        return bits >= 0 ? bits : bits ^ 0x7fffffff;
    }
}
