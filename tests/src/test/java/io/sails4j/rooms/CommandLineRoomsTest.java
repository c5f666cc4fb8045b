package io.sails4j.rooms;

import static org.assertj.core.api.Assertions.assertThat;

import com.tngtech.archunit.core.domain.JavaClasses;
import com.tngtech.archunit.core.importer.ClassFileImporter;
import org.junit.jupiter.api.Test;

/** Imports point down in the command line's artefact, too. */
class CommandLineRoomsTest {
    @Test
    void importsPointDown() {
        JavaClasses classes = new ClassFileImporter()
            .withImportOption(location -> !location.contains("test-classes") && !location.contains("-tests"))
            .importPackages("io.sails4j");
        assertThat(classes.stream().map(c -> c.getPackageName())).contains("io.sails4j.cli", "io.sails4j.conformance", "io.sails4j.tensor");
        Rooms.ofCommandLine().importsPointDown().check(classes);
    }
}
