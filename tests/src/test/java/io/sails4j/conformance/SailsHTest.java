package io.sails4j.conformance;

import static org.assertj.core.api.Assertions.assertThat;

import io.sails4j.NativeException;
import io.sails4j.ffi.NativeDevice;
import io.sails4j.ffi.NativeLibrary;
import io.sails4j.ffi.Symbol;
import io.sails4j.ops.OptimizerOps;
import io.sails4j.tensor.DType;
import java.lang.foreign.MemorySegment;
import java.lang.reflect.Method;
import java.lang.reflect.Parameter;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;

/** Holds the declarations of the native functions against the C header. */
class SailsHTest {
    private static Stream<Method> declared() {
        return Arrays.stream(NativeDevice.class.getInterfaces()).flatMap(section -> Arrays.stream(section.getDeclaredMethods()));
    }

    @Test
    void everyFunctionOfTheHeaderHasOneDeclaration() {
        List<String> header = SailsHeader.get().functions().stream().map(SailsHeader.Function::name).toList();
        assertThat(header).hasSizeGreaterThan(50);
        assertThat(declared().map(method -> method.getAnnotation(Symbol.class).value())).containsExactlyInAnyOrderElementsOf(header);
    }

    /** One cut from the header to Java: an interface a section. */
    @Test
    void everySectionOfTheHeaderIsAnInterface() {
        declared().forEach(method -> {
            String section = SailsHeader.get().function(method.getAnnotation(Symbol.class).value()).section();
            assertThat(method.getDeclaringClass().getSimpleName()).as(method.getName())
                .isEqualTo(Character.toUpperCase(section.charAt(0)) + section.substring(1) + "Functions");
        });
    }

    /** In names, so that no two of one type are swapped; in types, as the call passes them; in their order. */
    @Test
    void everyDeclarationHasTheHeadersParameters() {
        declared().forEach(method -> {
            Symbol symbol = method.getAnnotation(Symbol.class);
            SailsHeader.Function function = SailsHeader.get().function(symbol.value());
            assertThat(method.getName()).isEqualTo(function.javaName());
            List<SailsHeader.Parameter> expected = new ArrayList<>(function.parameters());
            if (symbol.raw()) {
                assertThat(method.getReturnType()).as(symbol.value()).isEqualTo(int.class);
            } else {
                assertThat(expected.removeFirst()).as(symbol.value()).isEqualTo(new SailsHeader.Parameter("sails_device*", "device"));
                if (method.getReturnType() != void.class) {
                    SailsHeader.Parameter result = expected.removeFirst();
                    assertThat(result.name()).as(symbol.value()).startsWith("out_");
                    Class<?> written = result.type().equals("int32_t*") ? int.class : long.class;
                    assertThat(method.getReturnType()).as(symbol.value()).isEqualTo(written);
                }
            }
            List<Parameter> parameters = List.of(method.getParameters());
            assertThat(parameters.stream().map(Parameter::getName)).as(symbol.value())
                .containsExactlyElementsOf(expected.stream().map(SailsHeader.Parameter::javaName).toList());
            for (int i = 0; i < expected.size(); i++) {
                assertThat(parameters.get(i).getType()).as(symbol.value() + ": " + expected.get(i)).isIn(types(expected.get(i)));
            }
        });
    }

    /** As what a parameter may be declared: a pointer as an address, host memory or, where it may be one, an array. */
    private static List<Class<?>> types(SailsHeader.Parameter parameter) {
        return switch (parameter.type()) {
            case "int32_t" -> List.of(int.class);
            case "int64_t" -> List.of(long.class);
            case "float" -> List.of(float.class);
            case "double" -> List.of(double.class);
            case "constint64_t*" -> List.of(long.class, long[].class);
            case "constint32_t*" -> List.of(long.class, int[].class);
            case "constfloat*" -> List.of(long.class, float[].class);
            default -> {
                assertThat(parameter.pointer()).as("a type of sails.h that the ABI knows: " + parameter.type()).isTrue();
                yield parameter.pointers() ? List.of(long[].class) : List.of(long.class, MemorySegment.class);
            }
        };
    }

    /** A host array has {@code count} elements, which is passed behind the last of them; a device pointer has no length. */
    @Test
    void arraysAreCounted() {
        declared().forEach(method -> {
            List<Parameter> parameters = List.of(method.getParameters());
            int arrays = (int) parameters.stream().filter(p -> p.getType().isArray()).count();
            int count = parameters.stream().map(Parameter::getName).toList().indexOf("count");
            assertThat(arrays > 0).as(method.getName()).isEqualTo(count >= 0);
            assertThat(arrays == 0 || parameters.get(count - 1).getType().isArray()).as(method.getName()).isTrue();
            assertThat(parameters.stream().skip(count + 1L).filter(p -> p.getType().isArray())).as(method.getName()).isEmpty();
        });
    }

    @Test
    void constantsAreTheHeaders() {
        assertThat(SailsHeader.get().constants()).containsAllEntriesOf(Map.of("SAILS_ABI_VERSION", NativeLibrary.ABI_VERSION,
            "SAILS_INVALID_ARGUMENT", NativeException.INVALID_ARGUMENT, "SAILS_UNSUPPORTED", NativeException.UNSUPPORTED,
            "SAILS_OUT_OF_MEMORY", NativeException.OUT_OF_MEMORY, "SAILS_FAILED", NativeException.FAILED,
            "SAILS_ADAMW_RATES", OptimizerOps.ADAMW_RATES, "SAILS_ADAMW_BLOCK", OptimizerOps.ADAMW_BLOCK));
        assertThat(SailsHeader.get().constants())
            .containsAllEntriesOf(Map.of("SAILS_Q8", DType.Q8.abiCode(), "SAILS_Q4", DType.Q4.abiCode(),
                "SAILS_QUANT_GROUP", DType.GROUP));
    }
}
