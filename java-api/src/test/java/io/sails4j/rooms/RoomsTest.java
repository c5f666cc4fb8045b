package io.sails4j.rooms;

import static org.assertj.core.api.Assertions.assertThat;

import com.tngtech.archunit.core.domain.JavaClasses;
import com.tngtech.archunit.core.importer.ClassFileImporter;
import com.tngtech.archunit.core.importer.ImportOption;
import io.sails4j.ops.PlantedUpwardImport;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** Imports point down, and there are no circles between the classes of the rooms that promise it. */
class RoomsTest {
    private static JavaClasses library;

    @BeforeAll
    static void read() {
        library = new ClassFileImporter().withImportOption(new ImportOption.DoNotIncludeTests()).importPackages("io.sails4j");
    }

    @Test
    void importsPointDown() {
        Rooms.ofLibrary().importsPointDown().check(library);
    }

    @Test
    void anUpwardImportIsFound() {
        JavaClasses planted = new ClassFileImporter().importClasses(PlantedUpwardImport.class);
        assertThat(Rooms.ofLibrary().importsPointDown().evaluate(planted).getFailureReport().getDetails())
            .anyMatch(sentence -> sentence.startsWith("ops must not know model: "));
    }

    @ParameterizedTest
    @ValueSource(strings = {"io", "sae", "lora", "data", "model", "trace"})
    void noCirclesBetweenClasses(String room) {
        Rooms.noCircleBetweenClassesOf(room).check(library);
    }
}
