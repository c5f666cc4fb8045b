package io.sails4j.conformance;

import static org.assertj.core.api.Assertions.assertThat;

import io.sails4j.ops.Ops;
import java.io.IOException;
import java.lang.reflect.Method;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import java.util.Locale;
import java.util.Set;
import java.util.TreeSet;
import java.util.regex.Pattern;
import java.util.stream.Collectors;
import org.junit.jupiter.api.Test;

/** An operation without a conformance case does not count as done. */
class CoverageTest {
    private static Set<String> headerOperations() throws IOException {
        String header = Files.readString(Path.of("../native/include/sails.h"));
        List<String> names = Pattern.compile("int32_t sails_(\\w+)\\(").matcher(header).results().map(match -> match.group(1)).toList();
        return names.subList(names.indexOf("convert"), names.size()).stream().filter(name -> !name.endsWith("_workspace_bytes"))
            .collect(Collectors.toCollection(TreeSet::new));
    }

    @Test
    void everyOperationHasACase() throws IOException {
        Set<String> tested = ConformanceSuite.cases().stream().map(OpCase::operation).collect(Collectors.toSet());
        assertThat(tested).containsExactlyInAnyOrderElementsOf(headerOperations());
    }

    @Test
    void everyOperationHasAMethodOfItsName() throws IOException {
        Set<String> methods = Arrays.stream(Ops.class.getDeclaredMethods()).map(Method::getName).collect(Collectors.toSet());
        assertThat(methods).containsAll(headerOperations().stream()
            .map(name -> Pattern.compile("_([a-z0-9])").matcher(name).replaceAll(m -> m.group(1).toUpperCase(Locale.ROOT))).toList());
    }

    @Test
    void noCaseIsListedTwice() {
        assertThat(ConformanceSuite.cases()).doesNotHaveDuplicates();
    }
}
