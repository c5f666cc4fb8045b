package io.sails4j.explain;

import io.sails4j.data.TokenText;
import io.sails4j.data.Tokenizer;
import java.util.Arrays;
import java.util.List;
import org.jspecify.annotations.Nullable;

/** Texts of tokens; ids in digits where a model has no tokenizer. */
final class TokenNames {
    private final @Nullable Tokenizer tokenizer;

    TokenNames(@Nullable Tokenizer tokenizer) {
        this.tokenizer = tokenizer;
    }

    String of(int id) {
        return tokenizer == null ? String.valueOf(id) : tokenizer.decode(new int[] {id}, false);
    }

    /** One for each token. */
    List<String> of(int[] ids) {
        return tokenizer == null ? Arrays.stream(ids).mapToObj(String::valueOf).toList() : TokenText.pieces(tokenizer, ids);
    }
}
