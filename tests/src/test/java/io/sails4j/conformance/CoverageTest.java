package io.sails4j.conformance;

import static org.assertj.core.api.Assertions.assertThat;

import io.sails4j.ops.Ops;
import java.lang.reflect.Method;
import java.lang.reflect.Modifier;
import java.util.Arrays;
import java.util.Set;
import java.util.stream.Collectors;
import org.junit.jupiter.api.Test;

/** An operation without a conformance case does not count as done. */
class CoverageTest {
    @Test
    void everyOperationHasACase() {
        Set<String> tested = ConformanceSuite.cases().stream().map(OpCase::operation).collect(Collectors.toSet());
        assertThat(tested.stream().map("sails_"::concat))
            .containsExactlyInAnyOrderElementsOf(SailsHeader.get().operations().stream().map(SailsHeader.Function::name).toList());
    }

    @Test
    void everyOperationHasAMethodOfItsName() {
        Set<String> methods = Arrays.stream(Ops.class.getMethods()).map(Method::getReturnType)
            .filter(type -> type.getPackage() == Ops.class.getPackage()).flatMap(section -> Arrays.stream(section.getDeclaredMethods()))
            .filter(method -> Modifier.isPublic(method.getModifiers()))
            .map(Method::getName).collect(Collectors.toSet());
        assertThat(methods).containsAll(SailsHeader.get().operations().stream().map(SailsHeader.Function::javaName).toList());
    }

    @Test
    void noCaseIsListedTwice() {
        assertThat(ConformanceSuite.cases()).doesNotHaveDuplicates();
    }
}
