package io.sails4j.langchain4j;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.net.URI;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.regex.Pattern;
import javax.tools.Diagnostic;
import javax.tools.DiagnosticCollector;
import javax.tools.JavaCompiler;
import javax.tools.JavaFileObject;
import javax.tools.SimpleJavaFileObject;
import javax.tools.ToolProvider;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** What the pages on serving and the monitor show as Java is Java, against the library as it is. */
class EmbeddingPageTest {
    private static final Path DOCS = Path.of("../docs");
    private static final Pattern BLOCK = Pattern.compile("(?ms)^```java\n(.*?)^```");
    /** A snippet is the body of a method; what it takes for granted are fields. */
    private static final String CLASS = """
        import dev.langchain4j.model.chat.*;
        import dev.langchain4j.model.chat.request.*;
        import dev.langchain4j.service.AiServices;
        import io.sails4j.data.*;
        import io.sails4j.langchain4j.*;
        import io.sails4j.lora.*;
        import io.sails4j.model.*;
        import io.sails4j.monitor.*;
        import io.sails4j.ops.*;
        import io.sails4j.sae.*;
        import io.sails4j.serving.*;
        import java.nio.file.*;
        import java.time.*;
        import java.util.*;
        class Snippet%d {
            Engine engine; CausalModel model; TextService service; LoraAdapter adapter; Sae sae; Path directory; int[] prompt;
            Set<Integer> stopIds; AdapterStack adapters; GenerationOptions options;
            void run() throws Exception {
        %s
            }
        }
        """;

    /** A source in memory. */
    private static final class Source extends SimpleJavaFileObject {
        private final String text;

        Source(int number, String body) {
            super(URI.create("string:///Snippet" + number + ".java"), Kind.SOURCE);
            text = String.format(Locale.ROOT, CLASS, number, body);
        }

        @Override
        public CharSequence getCharContent(boolean ignored) {
            return text;
        }
    }

    @Test
    void snippetsCompile(@TempDir Path classes) throws IOException {
        List<Source> sources = new ArrayList<>();
        for (String page : List.of("embedding.md", "serving.md", "monitor.md")) {
            List<String> blocks = BLOCK.matcher(Files.readString(DOCS.resolve(page))).results().map(block -> block.group(1)).toList();
            assertThat(blocks).as(page).isNotEmpty();
            blocks.forEach(block -> sources.add(new Source(sources.size(), block)));
        }
        JavaCompiler compiler = ToolProvider.getSystemJavaCompiler();
        DiagnosticCollector<JavaFileObject> found = new DiagnosticCollector<>();
        List<String> options = List.of("-proc:none", "-d", classes.toString(), "-cp", System.getProperty("java.class.path"));
        compiler.getTask(null, null, found, options, null, sources).call();
        assertThat(found.getDiagnostics().stream().filter(d -> d.getKind() == Diagnostic.Kind.ERROR).map(Object::toString)).isEmpty();
        assertThat(sources).hasSizeGreaterThan(6);
    }
}
