package io.sails4j.langchain4j;

import static org.assertj.core.api.Assertions.assertThat;

import io.sails4j.serving.TextService;
import java.io.IOException;
import java.lang.module.ModuleDescriptor;
import java.lang.module.ModuleFinder;
import java.net.URISyntaxException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Set;
import java.util.TreeSet;
import java.util.regex.Pattern;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;

/** On the class path the compiler lets everything through: what is imported of the library is exported, as for any user. */
class ImportsTest {
    private static final Pattern IMPORT = Pattern.compile("(?m)^import (io\\.sails4j(?:\\.[a-z]\\w*)*)\\.[A-Z]");

    @Test
    void whatIsImportedOfTheLibraryIsExported() throws IOException, URISyntaxException {
        Path library = Path.of(TextService.class.getProtectionDomain().getCodeSource().getLocation().toURI());
        Set<String> exported = ModuleFinder.of(library).find("io.sails4j").orElseThrow().descriptor().exports().stream()
            .map(ModuleDescriptor.Exports::source).collect(Collectors.toSet());
        Set<String> imported = new TreeSet<>();
        try (Stream<Path> files = Files.walk(Path.of("src/main/java"))) {
            for (Path file : files.filter(Files::isRegularFile).toList()) {
                IMPORT.matcher(Files.readString(file)).results().forEach(found -> imported.add(found.group(1)));
            }
        }
        assertThat(imported).contains("io.sails4j.serving").isSubsetOf(exported);
    }
}
