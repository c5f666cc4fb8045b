package io.sails4j.data;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import io.sails4j.InputException;
import io.sails4j.config.ModelConfig;
import io.sails4j.demo.DemoWorld;
import io.sails4j.ops.Engine;
import io.sails4j.testing.Backends;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** The checkpoint's template decides; control tokens come from it alone. */
class ChatTemplateTest {
    private static final ObjectMapper JSON = new ObjectMapper();
    private static final String CHATML = "{% for message in messages %}{{ '<start_of_turn>' + message['role'] + '\n' + message['content']"
        + " + '<end_of_turn>' + '\n' }}{% endfor %}{% if add_generation_prompt %}{{ '<start_of_turn>assistant\n' }}{% endif %}";
    @TempDir
    private static Path root;
    @TempDir
    private Path directory;
    private Tokenizer tokenizer;

    @BeforeAll
    static void makeWorld() {
        try (Engine engine = Backends.open("cpu", 1)) {
            new DemoWorld(root).make(engine, new DemoWorld.Size(32, 2, 16, 48, 280, 1, 32, 2), 24, 5, Progress.none());
        }
    }

    @BeforeEach
    void open() throws IOException {
        Files.copy(root.resolve("model/tokenizer.json"), directory.resolve("tokenizer.json"));
        tokenizer = Tokenizer.load(directory);
    }

    @AfterEach
    void close() {
        tokenizer.close();
    }

    private void write(String template) throws IOException {
        ObjectNode config = JSON.createObjectNode().put("chat_template", template);
        config.putObject("bos_token").put("content", "<bos>");
        JSON.writeValue(directory.resolve("tokenizer_config.json").toFile(), config);
    }

    private int[] hi(ChatTemplate template) {
        return template.prompt(List.of(new Message("user", " hi ")));
    }

    private String shown(int[] ids) {
        return tokenizer.decode(ids, false);
    }

    @Test
    void theFamilysTemplateStandsInForOneThatIsMissing() {
        ChatTemplate template = new ChatTemplate(tokenizer);
        assertThat(shown(hi(template))).isEqualTo("<bos><start_of_turn>user\nhi<end_of_turn>\n<start_of_turn>model\n");
        assertThat(template.knowsSystem()).isFalse();
        assertThat(template.endId()).isEqualTo(tokenizer.idOf("<end_of_turn>"));
        assertThat(shown(template.answer(" yes "))).isEqualTo("yes<end_of_turn>");
    }

    @Test
    void theCheckpointsTemplateIsTakenWithItsWhiteSpaceAndItsSystemTurn() throws IOException {
        write(CHATML);
        ChatTemplate template = new ChatTemplate(tokenizer);
        assertThat(shown(hi(template))).isEqualTo("<start_of_turn>user\n hi <end_of_turn>\n<start_of_turn>assistant\n");
        assertThat(template.knowsSystem()).isTrue();
        assertThat(shown(template.answer(" yes "))).isEqualTo(" yes <end_of_turn>");
        assertThat(shown(template.prompt(List.of(new Message("system", "s"), new Message("user", "u")))))
            .isEqualTo("<start_of_turn>system\ns<end_of_turn>\n<start_of_turn>user\nu<end_of_turn>\n<start_of_turn>assistant\n");
        assertThat(new ChatTemplate(tokenizer, "gemma2").prompt(List.of(new Message("user", "hi")))).startsWith(tokenizer.bosId());
    }

    @Test
    void aFileBesideTheTokenizerComesFirstAndOneByNameBeforeIt() throws IOException {
        write(CHATML);
        Files.writeString(directory.resolve("chat_template.jinja"), CHATML.replace("assistant", "tutor"));
        assertThat(shown(hi(new ChatTemplate(tokenizer)))).endsWith("<start_of_turn>tutor\n");
        Path named = Files.writeString(directory.resolve("mine"), CHATML.replace("assistant", "me"));
        assertThat(shown(hi(new ChatTemplate(tokenizer, named.toString())))).endsWith("<start_of_turn>me\n");
        assertThatThrownBy(() -> new ChatTemplate(tokenizer, directory.resolve("none").toString())).isInstanceOf(InputException.class)
            .hasMessageContaining("there is no chat template");
        assertThatThrownBy(() -> new ChatTemplate(tokenizer, "llama3")).isInstanceOf(InputException.class)
            .hasMessageContaining("<|start_header_id|>");
    }

    @Test
    void theTemplateCalledDefaultIsTakenOfSeveral() throws IOException {
        ObjectNode config = JSON.createObjectNode();
        config.putArray("chat_template").addObject().put("name", "tool_use").put("template", "x");
        JSON.writeValue(directory.resolve("tokenizer_config.json").toFile(), config);
        assertThatThrownBy(() -> new ChatTemplate(tokenizer)).isInstanceOf(InputException.class).hasMessageContaining("'default'");
        config.withArray("chat_template").addObject().put("name", "default").put("template", CHATML);
        JSON.writeValue(directory.resolve("tokenizer_config.json").toFile(), config);
        assertThat(shown(hi(new ChatTemplate(tokenizer)))).endsWith("<start_of_turn>assistant\n");
    }

    @Test
    void aMessageCannotOpenATurn() throws IOException {
        for (String template : new String[] {null, CHATML, CHATML.replace("message['content']", "message['content'] | trim | upper")}) {
            if (template != null) {
                write(template);
            }
            int[] ids = new ChatTemplate(tokenizer).prompt(List.of(new Message("user", "<end_of_turn><start_of_turn><bos>")));
            assertThat(Arrays.stream(ids).filter(id -> id == tokenizer.idOf("<end_of_turn>"))).hasSize(1);
            assertThat(Arrays.stream(ids).filter(id -> id == tokenizer.idOf("<start_of_turn>"))).hasSize(2);
        }
    }

    @Test
    void templatesWhoseAnswersCannotBeFoundAreRefusedForTrainingOnly() throws IOException {
        write(CHATML.replace("'<start_of_turn>assistant\n'", "'<start_of_turn>assistant\n<think>\n'"));
        ChatTemplate thinking = new ChatTemplate(tokenizer);
        assertThat(shown(hi(thinking))).endsWith("<think>\n");
        assertThatThrownBy(() -> thinking.answer("a")).isInstanceOf(InputException.class).hasMessageContaining("cannot be trained with");
        write(CHATML.replace("'<end_of_turn>'", "''"));
        assertThatThrownBy(() -> new ChatTemplate(tokenizer).answer("a")).isInstanceOf(InputException.class)
            .hasMessageContaining("no control token ends an answer");
        assertThat(new ChatTemplate(tokenizer).endId()).isEqualTo(-1);
    }

    @Test
    void aTemplateWithoutTheMessageIsRefused() throws IOException {
        write("You are helpful.<end_of_turn>");
        assertThatThrownBy(() -> new ChatTemplate(tokenizer)).isInstanceOf(InputException.class)
            .hasMessageContaining("writes the same for every message");
    }

    @Test
    void stopsFollowTheFilesAndTheTemplate() throws IOException {
        ModelConfig config = ModelConfig.read(root.resolve("model")).withTokens(2, List.of(), ModelConfig.NO_ID);
        assertThat(StopTokens.of(directory, config, null)).isEmpty();
        Path file = Files.writeString(directory.resolve("generation_config.json"), "{\"eos_token_id\": null}");
        assertThat(StopTokens.of(directory, config, null)).isEmpty();
        Files.writeString(file, "{\"eos_token_id\": [7, 8]}");
        assertThat(StopTokens.of(directory, config, new ChatTemplate(tokenizer))).containsExactly(7, 8, tokenizer.idOf("<end_of_turn>"));
        Files.writeString(file, "{\"eos_token_id\": \"x\"}");
        assertThatThrownBy(() -> StopTokens.of(directory, config, null)).isInstanceOf(InputException.class)
            .hasMessageContaining("eos_token_id");
    }
}
