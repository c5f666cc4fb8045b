package io.sails4j.data;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.sails4j.InputException;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** Conversations in files. */
class ConversationTest {
    private static final String TURNS = "[{\"role\":\"system\",\"content\":\"s\"},{\"role\":\"user\",\"content\":\"é\"}]";

    @TempDir
    private Path directory;

    private Path file(String text) throws IOException {
        return Files.writeString(directory.resolve("messages.json"), text);
    }

    @Test
    void aListOfMessagesOrAnObjectWithOne() throws IOException {
        for (String text : new String[] {TURNS, "{\"messages\":" + TURNS + ",\"id\":7}", "\ufeff" + TURNS}) {
            assertThat(Conversation.read(file(text))).containsExactly(new Message("system", "s"), new Message("user", "é"));
        }
    }

    @ParameterizedTest
    @CsvSource(delimiter = '|', quoteCharacter = '~', textBlock = """
        []                                        | has no messages
        {"turns":[]}                              | has no messages
        "hello"                                   | has no messages
        [{"role":"user"}]                         | message 1 is not {"role": text, "content": text}
        [{"role":"user","content":["a"]}]         | message 1 is not
        [{"role":"user","content":"a"},{"role":1,"content":"b"}] | message 2 is not
        [{"role":"user","role":"system","content":"a"}]          | Duplicate""")
    void whatIsNoConversation(String text, String part) throws IOException {
        Path file = file(text);
        assertThatThrownBy(() -> Conversation.read(file)).isInstanceOf(InputException.class).hasMessageContaining(part);
    }
}
