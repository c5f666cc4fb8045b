package io.sails4j.testing;

import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import io.sails4j.files.AtomicFiles;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;

/** A tokenizer of Gemma's kind: control tokens, bytes, and pieces that are merged of two. */
public final class TinyTokenizer {
    private static final List<String> CONTROL = List.of("<pad>", "<eos>", "<bos>", "<unk>", "<start_of_turn>", "<end_of_turn>");

    private TinyTokenizer() {
    }

    /**
     * Writes {@code tokenizer.json}; spaces are U+2581 in pieces.
     *
     * @param characters that are tokens of their own; others are bytes
     * @param pieces merged of a character and the rest, in their order
     * @return how many tokens it has
     */
    public static int write(Path directory, String characters, String... pieces) {
        List<String> tokens = new ArrayList<>(CONTROL);
        for (int b = 0; b < 256; b++) {
            tokens.add(String.format(Locale.ROOT, "<0x%02X>", b));
        }
        characters.codePoints().forEach(c -> tokens.add(Character.toString(c)));
        tokens.addAll(List.of(pieces));
        ObjectNode root = new ObjectMapper().createObjectNode().put("version", "1.0");
        ArrayNode added = root.putArray("added_tokens");
        for (int id = 0; id < CONTROL.size(); id++) {
            added.addObject().put("id", id).put("content", CONTROL.get(id)).put("single_word", false).put("lstrip", false)
                .put("rstrip", false).put("normalized", false).put("special", true);
        }
        ObjectNode normalizer = root.putObject("normalizer").put("type", "Replace").put("content", "▁");
        normalizer.putObject("pattern").put("String", " ");
        ObjectNode model = root.putObject("model").put("type", "BPE").put("unk_token", "<unk>").put("fuse_unk", true)
            .put("byte_fallback", true);
        ObjectNode vocabulary = model.putObject("vocab");
        for (int id = 0; id < tokens.size(); id++) {
            vocabulary.put(tokens.get(id), id);
        }
        ArrayNode merges = model.putArray("merges");
        for (String piece : pieces) {
            merges.addArray().add(piece.substring(0, 1)).add(piece.substring(1));
        }
        AtomicFiles.writeJson(directory.resolve("tokenizer.json"), root);
        return tokens.size();
    }
}
