package io.sails4j.data;

import com.fasterxml.jackson.databind.JsonNode;
import io.sails4j.InputException;
import io.sails4j.files.ShortText;
import java.nio.file.Path;
import java.util.HashMap;
import java.util.HashSet;
import java.util.Map;
import java.util.Set;

/**
 * Checks a {@code tokenizer.json} before the tokenizers library sees it. That library ends the process at some files (a prefix that is
 * longer than a token, a regular expression that searches without end, parts with numbers out of range), and takes others that would lose
 * text in silence. So a file may have what the tokenizers of Gemma-2 and Llama-3 and their derivatives are made of, and nothing else.
 */
final class TokenizerFile {
    /** A vocabulary has some hundred thousand tokens; an id is a row of the embedding. */
    private static final int MOST_IDS = 1 << 24;
    private static final int MOST_DEPTH = 8;
    private static final Set<String> NORMALIZERS = Set.of("Sequence", "Replace", "Prepend", "NFC", "NFD", "NFKC", "NFKD", "Lowercase");
    private static final Set<String> PRE_TOKENIZERS = Set.of("Sequence", "Split", "ByteLevel", "Digits", "Metaspace");
    private static final Set<String> POST_PROCESSORS = Set.of("Sequence", "ByteLevel", "TemplateProcessing");
    private static final Set<String> DECODERS = Set.of("Sequence", "Replace", "ByteFallback", "Fuse", "Strip", "ByteLevel", "Metaspace");
    /** Each reads a text once, whatever it is: those of Llama-3, of Qwen-2 (digits one by one) and of GPT-2. */
    private static final Set<String> EXPRESSIONS = Set.of(
        "(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|\\p{N}{1,3}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*"
            + "|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+",
        "(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|\\p{N}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*"
            + "|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+",
        "'s|'t|'re|'ve|'m|'ll|'d| ?\\p{L}+| ?\\p{N}+| ?[^\\s\\p{L}\\p{N}]+|\\s+(?!\\S)|\\s+");

    private final Path file;

    private TokenizerFile(Path file) {
        this.file = file;
    }

    /** @throws InputException where the tokenizers library must not be given the file */
    static void check(Path file, JsonNode root) {
        TokenizerFile checked = new TokenizerFile(file);
        checked.part("normalizer", root.path("normalizer"), NORMALIZERS, 0);
        checked.part("pre_tokenizer", root.path("pre_tokenizer"), PRE_TOKENIZERS, 0);
        checked.part("post_processor", root.path("post_processor"), POST_PROCESSORS, 0);
        checked.part("decoder", root.path("decoder"), DECODERS, 0);
        checked.model(root.path("model"));
        checked.addedTokens(root.path("added_tokens"), root.path("model").path("vocab"));
    }

    private InputException refused(String what) {
        return new InputException(file + ": " + what);
    }

    private void require(boolean condition, String what) {
        if (!condition) {
            throw refused(what);
        }
    }

    private static boolean absent(JsonNode node) {
        return node.isMissingNode() || node.isNull();
    }

    private static String shown(JsonNode node) {
        return ShortText.of(absent(node) ? "missing" : node.toString(), 63);
    }

    /** A step on the way from text to pieces or back, or a sequence of such. */
    private void part(String where, JsonNode part, Set<String> known, int depth) {
        if (absent(part)) {
            return;
        }
        String type = part.path("type").asText();
        require(known.contains(type), where + " has the type " + shown(part.path("type")) + ", expected one of "
            + String.join(", ", known.stream().sorted().toList()) + ", of which tokenizers of Gemma-2 and Llama-3 are made");
        require(depth < MOST_DEPTH, where + " is nested more than " + MOST_DEPTH + " deep");
        switch (type) {
            case "Sequence" -> {
                String list = where.startsWith("pre_tokenizer") ? "pretokenizers" : where.startsWith("post_processor") ? "processors"
                    : where.startsWith("decoder") ? "decoders" : "normalizers";
                JsonNode parts = part.path(list);
                require(parts.isArray(), where + "." + list + " is " + shown(parts) + ", expected a list");
                for (int i = 0; i < parts.size(); i++) {
                    require(parts.get(i).isObject(), where + "." + list + "[" + i + "] is " + shown(parts.get(i)) + ", expected an object");
                    part(where + "." + list + "[" + i + "]", parts.get(i), known, depth + 1);
                }
            }
            case "Replace", "Split" -> pattern(where + ".pattern", part.path("pattern"));
            case "Strip" -> require(
                part.path("start").asInt(-1) >= 0 && part.path("start").asInt() <= 1 && part.path("stop").asInt(-1) == 0,
                where + " strips " + shown(part.path("start")) + " and " + shown(part.path("stop")) + ", expected start 0 or 1 and stop 0");
            case "TemplateProcessing" -> template(where, part);
            default -> {
            }
        }
    }

    private void pattern(String where, JsonNode pattern) {
        String text = pattern.path("String").asText();
        if (pattern.has("Regex")) {
            require(EXPRESSIONS.contains(pattern.path("Regex").asText()), where + " is the regular expression "
                + shown(pattern.path("Regex")) + "; those of Llama-3, Qwen-2 and GPT-2 are known, others may search without end");
        } else {
            require(!text.isEmpty(), where + " is " + shown(pattern) + ", expected {\"String\": a text} or {\"Regex\": an expression}");
        }
    }

    /** What is put around a text must have the text in it, once: otherwise it would be lost. */
    private void template(String where, JsonNode part) {
        int texts = 0;
        for (JsonNode piece : part.path("single")) {
            texts += piece.path("Sequence").path("id").asText().equals("A") ? 1 : 0;
        }
        require(texts == 1, where + ".single has the text " + texts + " times, expected once");
    }

    private void model(JsonNode model) {
        require(model.isObject(), "'model' is " + shown(model) + ", expected an object with the vocabulary and the merges");
        JsonNode type = model.path("type");
        require(absent(type) || type.asText().equals("BPE"), "model.type is " + shown(type) + ", expected BPE as in Gemma-2 and Llama-3");
        for (String affix : new String[] {"continuing_subword_prefix", "end_of_word_suffix"}) {
            JsonNode value = model.path(affix);
            require(absent(value) || value.isTextual() && value.asText().isEmpty(), "model." + affix + " is " + shown(value)
                + ", expected none as in Gemma-2 and Llama-3");
        }
        JsonNode dropout = model.path("dropout");
        require(absent(dropout) || dropout.isNumber() && dropout.asDouble() == 0, "model.dropout is " + shown(dropout)
            + ": the same text would give other tokens each time; set it to null");
        JsonNode vocab = model.path("vocab");
        require(vocab.isObject() && !vocab.isEmpty(), "model.vocab is " + shown(vocab) + ", expected an object of tokens and their ids");
        ids(vocab);
        JsonNode unknown = model.path("unk_token");
        require(absent(unknown) || vocab.has(unknown.asText()), "model.unk_token " + shown(unknown) + " is not in the vocabulary");
        merges(model.path("merges"), vocab);
    }

    private void ids(JsonNode vocab) {
        Map<Integer, String> byId = new HashMap<>();
        for (Map.Entry<String, JsonNode> token : vocab.properties()) {
            // Sentences are made where they are needed: there are some hundred thousand tokens.
            if (!isId(token.getValue())) {
                throw noId("model.vocab['" + token.getKey() + "']", token.getValue());
            }
            String other = byId.putIfAbsent(token.getValue().intValue(), token.getKey());
            if (other != null) {
                throw refused("the tokens '" + other + "' and '" + token.getKey() + "' have the same id " + token.getValue());
            }
        }
    }

    private static boolean isId(JsonNode id) {
        return id.isIntegralNumber() && id.canConvertToInt() && id.intValue() >= 0 && id.intValue() < MOST_IDS;
    }

    private InputException noId(String where, JsonNode id) {
        return refused(where + " is " + shown(id) + ", expected an id of 0 to " + (MOST_IDS - 1));
    }

    private void merges(JsonNode merges, JsonNode vocab) {
        require(merges.isArray(), "model.merges is " + shown(merges) + ", expected a list");
        for (int i = 0; i < merges.size(); i++) {
            JsonNode merge = merges.get(i);
            String text = merge.asText();
            int space = text.indexOf(' ');
            boolean pair = merge.isArray() && merge.size() == 2 && merge.get(0).isTextual() && merge.get(1).isTextual();
            if (!pair && (!merge.isTextual() || space < 0 || space != text.lastIndexOf(' '))) {
                throw refused("model.merges[" + i + "] is " + shown(merge) + ", expected two tokens");
            }
            String left = pair ? merge.get(0).asText() : text.substring(0, space);
            String right = pair ? merge.get(1).asText() : text.substring(space + 1);
            for (String token : new String[] {left, right, left + right}) {
                if (!vocab.has(token)) {
                    throw refused("model.merges[" + i + "] is " + shown(merge) + ", and the vocabulary has no '" + token + "'");
                }
            }
        }
    }

    /** Tokens beside the vocabulary, or of it with the id that they have there. */
    private void addedTokens(JsonNode added, JsonNode vocab) {
        Set<String> contents = new HashSet<>();
        Map<Integer, String> byId = new HashMap<>();
        for (Map.Entry<String, JsonNode> token : vocab.properties()) {
            byId.put(token.getValue().intValue(), token.getKey());
        }
        for (int i = 0; i < added.size(); i++) {
            String where = "added_tokens[" + i + "]";
            JsonNode content = added.get(i).path("content");
            require(content.isTextual() && !content.asText().isEmpty(), where + ".content is " + shown(content) + ", expected a text");
            require(contents.add(content.asText()), where + ".content " + shown(content) + " stands in the list twice");
            if (!isId(added.get(i).path("id"))) {
                throw noId(where + ".id", added.get(i).path("id"));
            }
            int id = added.get(i).path("id").intValue();
            String owner = byId.putIfAbsent(id, content.asText());
            require(owner == null || owner.equals(content.asText()),
                where + " " + shown(content) + " has the id " + id + " of '" + owner + "'");
            JsonNode known = vocab.path(content.asText());
            require(known.isMissingNode() || known.intValue() == id, where + " " + shown(content) + " has the id " + id
                + ", and " + known + " in the vocabulary");
        }
    }
}
