package io.sails4j.cli;

import static org.assertj.core.api.Assertions.assertThatCode;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.sails4j.InputException;
import java.io.ByteArrayOutputStream;
import java.nio.charset.Charset;
import java.nio.charset.StandardCharsets;
import org.junit.jupiter.api.Test;

class ArgumentsTest {
    /** A command line as the system keeps it: each part and a 0. */
    private static byte[] typed(Charset charset, String... parts) {
        ByteArrayOutputStream bytes = new ByteArrayOutputStream();
        for (String part : parts) {
            bytes.writeBytes(part.getBytes(charset));
            bytes.write(0);
        }
        return bytes.toByteArray();
    }

    @Test
    void whatArrivedAsTypedIsTaken() {
        byte[] line = typed(StandardCharsets.UTF_8, "java", "Main", "--prompt", "Größe 𝄞", "", "\ufffd");
        assertThatCode(() -> Arguments.compare(line, "UTF-8", "--prompt", "Größe 𝄞", "", "\ufffd")).doesNotThrowAnyException();
    }

    @Test
    void whatTheLocaleDestroyedIsNamed() {
        byte[] line = typed(StandardCharsets.UTF_8, "java", "Main", "--prompt", "Größe");
        assertThatThrownBy(() -> Arguments.compare(line, "ANSI_X3.4-1968", "--prompt", "Gr\ufffd\ufffd\ufffd\ufffde"))
            .isInstanceOf(InputException.class).hasMessageContaining("argument 2 ('Größe')").hasMessageContaining("ANSI_X3.4-1968")
            .hasMessageContaining("LC_ALL=C.UTF-8");
        assertThatThrownBy(() -> Arguments.compare(line, "ISO-8859-1", "--prompt", "GrÃ¶Ã\u009fe"))
            .isInstanceOf(InputException.class).hasMessageContaining("ISO-8859-1");
    }

    @Test
    void bytesThatAreNoUtf8AreNamed() {
        byte[] line = typed(StandardCharsets.ISO_8859_1, "java", "Main", "Größe");
        assertThatThrownBy(() -> Arguments.compare(line, "UTF-8", "Gr\ufffd\ufffde")).isInstanceOf(InputException.class)
            .hasMessageContaining("argument 1").hasMessageContaining("not UTF-8");
    }

    @Test
    void theCommandLineOfAnotherProgramInTheProcessSaysNothing() {
        byte[] line = typed(StandardCharsets.UTF_8, "java", "Server", "--port", "80");
        assertThatCode(() -> Arguments.compare(line, "UTF-8", "--prompt", "Größe")).doesNotThrowAnyException();
        assertThatCode(() -> Arguments.compare(null, "UTF-8", "--prompt", "Größe")).doesNotThrowAnyException();
        assertThatThrownBy(() -> Arguments.compare(null, "US-ASCII", "Gr\ufffd\ufffde")).isInstanceOf(InputException.class);
    }
}
