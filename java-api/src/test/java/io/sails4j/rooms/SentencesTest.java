package io.sails4j.rooms;

import static org.assertj.core.api.Assertions.assertThat;

import io.sails4j.InputException;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.lang.classfile.ClassFile;
import java.lang.classfile.ClassModel;
import java.lang.classfile.constantpool.StringEntry;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.regex.Pattern;
import java.util.stream.Stream;
import java.util.stream.StreamSupport;
import org.junit.jupiter.api.Test;

/** The library names options; flags are the command line's. */
class SentencesTest {
    private static final Pattern FLAG = Pattern.compile("(^|[^\\w-])--[a-z]");

    @Test
    void noSentenceOfTheLibraryNamesAFlag() throws IOException {
        Path classes = Path.of(InputException.class.getProtectionDomain().getCodeSource().getLocation().getPath());
        List<String> found = new ArrayList<>();
        int[] read = new int[1];
        try (Stream<Path> files = Files.walk(classes)) {
            // A style sheet's properties begin with two hyphens as flags do.
            Path styles = Path.of("io/sails4j/report/templates");
            files.filter(file -> file.toString().endsWith(".class") && !file.startsWith(classes.resolve(styles))).forEach(file -> {
                read[0]++;
                strings(file).filter(text -> FLAG.matcher(text).find()).forEach(text -> found.add(classes.relativize(file) + ": " + text));
            });
        }
        assertThat(read[0]).isGreaterThan(100);
        assertThat(found).isEmpty();
    }

    /** Constants, and the texts of which sentences are joined. */
    private static Stream<String> strings(Path file) {
        try {
            ClassModel model = ClassFile.of().parse(file);
            return StreamSupport.stream(model.constantPool().spliterator(), false)
                .flatMap(entry -> entry instanceof StringEntry text ? Stream.of(text.stringValue()) : Stream.empty());
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }
}
