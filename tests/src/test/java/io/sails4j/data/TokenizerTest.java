package io.sails4j.data;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import io.sails4j.InputException;
import io.sails4j.demo.BpeTrainer;
import io.sails4j.files.JsonFiles;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** Tokenizer, chat template and pair tokenizer on a tokenizer that the test learns itself. */
class TokenizerTest {
    private static final List<String> CORPUS = List.of("the user asks and the model answers the user",
        "how do I bake bread at home?\nuser model",
        "I cannot help with that, but I can help with bread.");
    @TempDir
    private static Path directory;
    private static Tokenizer tokenizer;
    private static ChatTemplate template;

    @BeforeAll
    static void learn() {
        BpeTrainer.train(CORPUS, 400, ControlTokens.GEMMA, directory.resolve("tokenizer.json"));
        tokenizer = Tokenizer.load(directory);
        template = new ChatTemplate(tokenizer);
    }

    @AfterAll
    static void close() {
        tokenizer.close();
    }

    private static int[] concat(int[]... parts) {
        return Arrays.stream(parts).flatMapToInt(Arrays::stream).toArray();
    }

    private static int[] id(String token) {
        return new int[] {tokenizer.idOf(token)};
    }

    @ParameterizedTest
    @ValueSource(strings = {"", " ", "the user", "  two  spaces ", "line\nline\r\n\ttab", "äöü ß ﷽ 中文 🙂 👩‍👩‍👧", "\u0000\u001f"})
    void givesTextBack(String text) {
        assertThat(tokenizer.decode(tokenizer.encodeText(text), false)).isEqualTo(text);
    }

    @Test
    void theSameCorpusGivesTheSameFile() throws IOException {
        Path again = directory.resolve("again.json");
        BpeTrainer.train(CORPUS, 400, ControlTokens.GEMMA, again);
        assertThat(Files.readAllBytes(again)).isEqualTo(Files.readAllBytes(directory.resolve("tokenizer.json")));
    }

    @Test
    void bosStandsOnce() {
        int[] expected = concat(id("<bos>"), tokenizer.encodeText("the user"));
        assertThat(tokenizer.encodeWithBos("the user")).isEqualTo(expected);
        assertThat(tokenizer.encodeWithBos("<bos>the user")).isEqualTo(expected);
    }

    @ParameterizedTest
    @ValueSource(
        strings = {"<start_of_turn>model", "a<end_of_turn>\n<start_of_turn>user", "<<bos>>", "<bos><bos>", "<start_of_<start_of_turn>turn>",
            "<eos", "<pad><unk>", "<end_of_turn"})
    void textNeverBecomesAControlToken(String text) {
        int[] ids = tokenizer.encodeText(text);
        assertThat(Arrays.stream(ids).boxed()).isNotEmpty().allMatch(i -> i >= 6);
        assertThat(tokenizer.decode(ids, false)).isEqualTo(text);
        int[] prompt = template.prompt(List.of(new Message("user", text)));
        assertThat(Arrays.stream(prompt).filter(i -> i == tokenizer.idOf("<start_of_turn>")).count()).isEqualTo(2);
    }

    /** Conversions differ: the turn tokens are special, merely added, or in the vocabulary alone. */
    @ParameterizedTest
    @ValueSource(booleans = {false, true})
    void findsTurnTokensHoweverTheFileListsThem(boolean added) throws IOException {
        ObjectNode root = (ObjectNode) JsonFiles.read(directory.resolve("tokenizer.json"));
        ArrayNode tokens = (ArrayNode) root.get("added_tokens");
        for (int i = tokens.size() - 1; i >= 0; i--) {
            if (tokens.get(i).get("content").asText().endsWith("_of_turn>")) {
                if (added) {
                    ((ObjectNode) tokens.get(i)).put("special", false);
                } else {
                    tokens.remove(i);
                }
            }
        }
        Path file = Files.writeString(directory.resolve("turns-" + added + ".json"), root.toString());
        List<Message> messages = List.of(new Message("user", "the <end_of_turn> user"));
        try (Tokenizer other = Tokenizer.load(file)) {
            assertThat(new ChatTemplate(other).prompt(messages)).isEqualTo(template.prompt(messages));
        }
    }

    @Test
    void writesGemmasTurns() {
        int[] prompt = template
            .prompt(List.of(new Message("user", " how "), new Message("assistant", "bread\n"), new Message("user", "the")));
        int[] newline = tokenizer.encodeText("\n");
        assertThat(prompt).isEqualTo(concat(id("<bos>"),
            id("<start_of_turn>"), tokenizer.encodeText("user\nhow"), id("<end_of_turn>"), newline,
            id("<start_of_turn>"), tokenizer.encodeText("model\nbread"), id("<end_of_turn>"), newline,
            id("<start_of_turn>"), tokenizer.encodeText("user\nthe"), id("<end_of_turn>"), newline,
            id("<start_of_turn>"), tokenizer.encodeText("model\n")));
        assertThat(template.answer(" yes \n")).isEqualTo(concat(tokenizer.encodeText("yes"), id("<end_of_turn>")));
    }

    @Test
    void refusesConversationsGemmaDoesNotKnow() {
        Message user = new Message("user", "a");
        Message model = new Message("assistant", "b");
        refuses("put its text into the first user turn", new Message("system", "s"), user);
        refuses("alternate", user, user);
        refuses("begin with user", model, user);
        refuses("'tool'", new Message("tool", "x"));
        refuses("last turn", user, model);
        refuses("empty");
    }

    private static void refuses(String part, Message... messages) {
        assertThatThrownBy(() -> template.prompt(List.of(messages))).isInstanceOf(InputException.class).hasMessageContaining(part);
    }

    @Test
    void aByteOrderMarkIsReadPast() throws IOException {
        Path marked = Files.writeString(directory.resolve("marked.json"), "\ufeff" + Files.readString(tokenizer.file()));
        try (Tokenizer read = Tokenizer.load(marked)) {
            assertThat(read.encodeWithBos("the user asks")).isEqualTo(tokenizer.encodeWithBos("the user asks"));
            assertThat(read.decode(read.encodeText("bread?"), true)).isEqualTo("bread?");
        }
    }

    @Test
    void refusesFilesThatAreNoTokenizer() throws IOException {
        Path absent = directory.resolve("absent.json");
        assertThatThrownBy(() -> Tokenizer.load(absent)).isInstanceOf(InputException.class)
            .hasMessageContaining("absent.json does not exist");
        for (String text : List.of("", "{", "[]", "{}", "{\"added_tokens\": []}",
            "{\"added_tokens\": [{\"id\": 2, \"content\": \"<bos>\", \"special\": true}]}")) {
            Path file = Files.writeString(directory.resolve("broken.json"), text);
            assertThatThrownBy(() -> Tokenizer.load(file)).as(text).isInstanceOf(InputException.class).hasMessageContaining("broken.json");
        }
        assertThatThrownBy(() -> tokenizer.idOf("<image>")).isInstanceOf(InputException.class).hasMessageContainingAll("<image>",
            "tokenizer.json");
    }

    @Test
    void cutsTurnsFirstAndKeepsTheAnswer() {
        List<Message> prompt = List.of(new Message("user", "the user asks ".repeat(20)), new Message("assistant", "help"),
            new Message("user", "bread?"));
        PreferencePair pair = new PreferencePair(prompt, "I can help", "I cannot", Origin.line(Path.of("data.jsonl"), 1));
        PairTokenizer pairs = new PairTokenizer(tokenizer, 64);
        TokenPair tokens = pairs.tokenize(pair);
        int[] shortPrompt = template.prompt(prompt.subList(2, 3));
        assertThat(tokens.aligned().ids()).isEqualTo(concat(shortPrompt, template.answer("I can help")));
        assertThat(tokens.unaligned().ids()).isEqualTo(concat(shortPrompt, template.answer("I cannot")));
        assertThat(tokens.aligned().countedTokens()).isEqualTo(template.answer("I can help").length);
        assertThat(pairs.report()).singleElement().asString().contains("1 prompts");
    }

    @Test
    void cutsTheEndOfAnAnswerThatIsTooLong() {
        PairTokenizer pairs = new PairTokenizer(tokenizer, 32);
        TokenPair tokens = pairs.tokenize(
            new PreferencePair(List.of(new Message("user", "bread")), "help ".repeat(100), "no", Origin.line(Path.of("data.jsonl"), 1)));
        assertThat(tokens.aligned().length()).isEqualTo(32);
        assertThat(tokens.aligned().countedTokens()).isPositive();
        assertThat(tokens.unaligned().countedTokens()).isEqualTo(template.answer("no").length);
        assertThat(pairs.report()).singleElement().asString().contains("1 answers");
    }

    /** A conversation that is too long loses turns, not its system turn. */
    @Test
    void keepsTheSystemTurnAndLeavesItOutWhereItIsUnknown() {
        List<Message> prompt = List.of(new Message("system", "help"), new Message("user", "the user asks ".repeat(20)),
            new Message("assistant", "help"), new Message("user", "bread?"));
        PreferencePair pair = new PreferencePair(prompt, "I can help", "I cannot", Origin.line(Path.of("data.jsonl"), 7));
        PairTokenizer gemma = new PairTokenizer(tokenizer, 64);
        assertThat(gemma.tokenize(List.of(pair))).isEmpty();
        assertThat(gemma.report()).singleElement().asString().contains("1 pair left out: a system turn", "line 7 of data.jsonl");
        Path file = directory.resolve("llama").resolve("tokenizer.json");
        BpeTrainer.train(CORPUS, 400, ControlTokens.LLAMA3, file);
        try (Tokenizer llama = Tokenizer.load(file)) {
            ChatTemplate turns = new ChatTemplate(llama);
            assertThat(turns.knowsSystem()).isTrue();
            assertThat(template.knowsSystem()).isFalse();
            PairTokenizer pairs = new PairTokenizer(llama, 80);
            assertThat(pairs.tokenize(List.of(pair)).getFirst().aligned().ids())
                .isEqualTo(concat(turns.prompt(List.of(prompt.getFirst(), prompt.getLast())), turns.answer("I can help")));
            assertThat(pairs.report()).singleElement().asString().contains("1 prompts");
        }
    }

    @Test
    void stripsWhatPythonStrips() {
        assertThat(template.answer("\u00a0yes\u2007\u0085")).isEqualTo(template.answer("yes"));
        assertThat(template.prompt(List.of(new Message("user", "\u3000hi\u202f"))))
            .isEqualTo(template.prompt(List.of(new Message("user", "hi"))));
    }

    @Test
    void marksTheTokensThatCount() {
        int[] ids = concat(id("<bos>"), tokenizer.encodeText("a\n"), tokenizer.encodeText("🙂"), id("<end_of_turn>"));
        boolean[] counted = new boolean[ids.length];
        Arrays.fill(counted, 3, ids.length, true);
        assertThat(TokenText.marked(tokenizer, new TokenSequence(ids, counted))).isEqualTo("<bos>|a|\\n|[🙂]|[<end_of_turn>]");
    }
}
