package io.sails4j.data;

import io.sails4j.InputException;
import io.sails4j.config.ModelConfig;
import java.util.List;

/** The same prompt with the aligned and with the unaligned answer. */
public record TokenPair(TokenSequence aligned, TokenSequence unaligned) {
    /**
     * That a model has positions for every sequence: what is longer must be cut first.
     *
     * @throws InputException with the longest length and the limit
     */
    public static void requirePositions(List<TokenPair> pairs, ModelConfig model) {
        int longest = pairs.stream().mapToInt(pair -> Math.max(pair.aligned.length(), pair.unaligned.length())).max().orElse(0);
        model.requirePositions("the length of the longest sequence is", longest,
            "cut the data with max_length=" + model.maxPositionEmbeddings());
    }
}
