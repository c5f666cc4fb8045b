package io.sails4j.data;

import ai.djl.huggingface.tokenizers.Encoding;
import ai.djl.huggingface.tokenizers.HuggingFaceTokenizer;
import com.fasterxml.jackson.databind.JsonNode;
import io.sails4j.InputException;
import io.sails4j.files.JsonFiles;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Comparator;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Collectors;

/**
 * The tokenizer of a model directory ({@code tokenizer.json}, by Hugging Face's tokenizers library through DJL). Control tokens never
 * come from text: where a text spells one ({@code <start_of_turn>}), the spelling is encoded as ordinary characters, so that a user
 * cannot open a turn of their own.
 */
public final class Tokenizer implements AutoCloseable {
    private final Path file;
    private final HuggingFaceTokenizer tokenizer;
    private final Map<String, Integer> special = new LinkedHashMap<>();
    private final Pattern specialPattern;
    private final ControlTokens control;
    private final int bosId;

    private Tokenizer(Path file) {
        this.file = file;
        if (Files.notExists(file)) {
            throw new InputException(file + " does not exist; a model that reads text needs its tokenizer.json beside its weights");
        }
        this.control = readSpecialTokens();
        this.bosId = idOf(control.bos());
        // The longest first: one control token may begin with another.
        this.specialPattern = Pattern.compile(special.keySet().stream().sorted(Comparator.comparingInt(String::length).reversed())
            .map(Pattern::quote).collect(Collectors.joining("|")));
        try {
            this.tokenizer = TokenizerLibrary.open(file);
        } catch (IOException | RuntimeException e) {
            throw new InputException(
                file + " is no tokenizer that can be loaded: " + String.valueOf(e.getMessage()).lines().findFirst().orElse(""), e);
        }
    }

    /** Loads {@code tokenizer.json}, or that of a directory. */
    public static Tokenizer load(Path path) {
        return new Tokenizer(Files.isDirectory(path) ? path.resolve("tokenizer.json") : path);
    }

    private ControlTokens readSpecialTokens() {
        JsonNode root = JsonFiles.read(file);
        JsonNode added = root.get("added_tokens");
        if (added == null || !added.isArray()) {
            throw new InputException(file + " lacks 'added_tokens', the list of control tokens");
        }
        ControlTokens family = family(added);
        TokenizerFile.check(file, root);
        for (JsonNode token : added) {
            boolean isControl = token.path("special").asBoolean() || family.turns().contains(token.path("content").asText());
            if (isControl && token.path("id").canConvertToInt() && !token.path("content").asText().isEmpty()) {
                special.put(token.get("content").asText(), token.get("id").intValue());
            }
        }
        // Some conversions of Gemma's SentencePiece model list the turn tokens in the vocabulary only.
        for (String token : family.turns()) {
            JsonNode id = root.path("model").path("vocab").path(token);
            if (id.canConvertToInt()) {
                special.putIfAbsent(token, id.intValue());
            }
        }
        return family;
    }

    private ControlTokens family(JsonNode added) {
        List<String> names = new ArrayList<>();
        added.forEach(token -> names.add(token.path("content").asText()));
        return Arrays.stream(ControlTokens.values()).filter(c -> names.contains(c.bos())).findFirst()
            .orElseThrow(() -> new InputException(file
                + " has no control token "
                + Arrays.stream(ControlTokens.values()).map(c -> "'" + c.bos() + "'").collect(Collectors.joining(" or "))
                + "; it has " + names.stream().limit(8).collect(Collectors.joining(", ")) + ". Tokenizers of Gemma and Llama-3 are known"));
    }

    /** Which family's control tokens these are. */
    public ControlTokens control() {
        return control;
    }

    /** The id of a control token. */
    public int idOf(String token) {
        Integer id = special.get(token);
        if (id == null) {
            throw new InputException(file + " has no control token '" + token + "'; it has "
                + special.keySet().stream().limit(8).collect(Collectors.joining(", ")));
        }
        return id;
    }

    /** The id of the token that begins a text. */
    public int bosId() {
        return bosId;
    }

    /** Ids of plain text, without BOS. */
    public int[] encodeText(String text) {
        List<int[]> pieces = new ArrayList<>();
        int done = 0;
        Matcher matcher = specialPattern.matcher(text);
        while (matcher.find()) {
            // Cut inside the spelling: neither half is the control token.
            int cut = matcher.start() + 1;
            pieces.add(ids(text.substring(done, cut)));
            done = cut;
        }
        pieces.add(ids(text.substring(done)));
        return joined(pieces);
    }

    /** The text with {@code barrier} inside of each spelling of a control token, where {@link #encodeText} cuts it. */
    String cutControls(String text, char barrier) {
        return specialPattern.matcher(text).replaceAll(
            found -> Matcher.quoteReplacement(found.group().charAt(0) + String.valueOf(barrier) + found.group().substring(1)));
    }

    /** Ids of what a template made: spellings of control tokens are those tokens; text is encoded in parts between barriers. */
    int[] encodeRendered(String text, char barrier) {
        List<int[]> pieces = new ArrayList<>();
        int done = 0;
        Matcher matcher = specialPattern.matcher(text);
        while (matcher.find()) {
            encodeParts(text.substring(done, matcher.start()), barrier, pieces);
            pieces.add(new int[] {idOf(matcher.group())});
            done = matcher.end();
        }
        encodeParts(text.substring(done), barrier, pieces);
        return joined(pieces);
    }

    private void encodeParts(String text, char barrier, List<int[]> pieces) {
        int done = 0;
        for (int cut = text.indexOf(barrier); cut >= 0; cut = text.indexOf(barrier, done)) {
            pieces.add(ids(text.substring(done, cut)));
            done = cut + 1;
        }
        pieces.add(ids(text.substring(done)));
    }

    /** Where the first control token that a text spells ends, -1 where it spells none. */
    int endOfFirstControl(String text) {
        Matcher matcher = specialPattern.matcher(text);
        return matcher.find() ? matcher.end() : -1;
    }

    private static int[] joined(List<int[]> pieces) {
        return pieces.stream().flatMapToInt(Arrays::stream).toArray();
    }

    /** BOS, exactly one, and the ids of the text; a text that begins with the spelling of BOS keeps that one BOS. */
    public int[] encodeWithBos(String text) {
        String content = text.startsWith(control.bos()) ? text.substring(control.bos().length()) : text;
        int[] ids = encodeText(content);
        int[] all = new int[ids.length + 1];
        all[0] = bosId;
        System.arraycopy(ids, 0, all, 1, ids.length);
        return all;
    }

    private int[] ids(String text) {
        if (text.isEmpty()) {
            return new int[0];
        }
        int half = Surrogates.firstLone(text);
        if (half >= 0) {
            throw new InputException("a text has half a character (a lone surrogate) at its character " + (half + 1) + ", '"
                + text.substring(Math.max(0, half - 20), half) + "' before it; expected whole characters");
        }
        Encoding encoding;
        try {
            encoding = tokenizer.encode(text, false, false);
        } catch (RuntimeException e) {
            throw new InputException(file + " cannot encode a text: " + String.valueOf(e.getMessage()).lines().findFirst().orElse(""), e);
        }
        return Arrays.stream(encoding.getIds()).mapToInt(Math::toIntExact).toArray();
    }

    /** The text of ids; control tokens are left out if asked. */
    public String decode(int[] ids, boolean skipSpecialTokens) {
        return tokenizer.decode(Arrays.stream(ids).asLongStream().toArray(), skipSpecialTokens);
    }

    /** The file that it was read from. */
    public Path file() {
        return file;
    }

    @Override
    public void close() {
        tokenizer.close();
    }
}
