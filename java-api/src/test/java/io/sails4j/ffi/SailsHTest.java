package io.sails4j.ffi;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.lang.foreign.MemorySegment;
import java.lang.invoke.MethodHandle;
import java.lang.reflect.Field;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.junit.jupiter.api.Test;

/** Holds the Java descriptors against the C header, function by function, in order. */
class SailsHTest {
    private static final Path HEADER = Path.of("../native/include/sails.h");
    private static final Pattern FUNCTION = Pattern.compile("SAILS_API\\s+int32_t\\s+sails_(\\w+)\\(([^)]*)\\);");
    /** In the order of the header's sections. */
    private static final List<Class<?>> CLASSES = List.of(SailsH.class, ElementwiseH.class, MatmulH.class, LayersH.class, LoraH.class, DecodingH.class,
        OptimizerH.class, SaeH.class);
    private static final Pattern COMMENT = Pattern.compile("/\\*.*?\\*/", Pattern.DOTALL);

    @Test
    void everyFunctionOfTheHeaderIsBoundWithItsParameterTypes() throws Exception {
        Map<String, List<Class<?>>> header = headerFunctions();
        assertThat(header).hasSizeGreaterThan(50);
        Map<String, List<Class<?>>> bound = new LinkedHashMap<>();
        for (Field field : CLASSES.stream().flatMap(c -> Arrays.stream(c.getDeclaredFields())).toList()) {
            if (field.getType() == MethodHandle.class) {
                MethodHandle handle = (MethodHandle) field.get(null);
                assertThat(handle.type().returnType()).as(field.getName()).isEqualTo(int.class);
                List<Class<?>> parameters = handle.type().parameterList();
                bound.put(field.getName().toLowerCase(Locale.ROOT), parameters.subList(1, parameters.size()));
            }
        }
        assertThat(bound).containsExactlyEntriesOf(header);
    }

    @Test
    void theVersionIsTheHeaders() throws IOException {
        Matcher version = Pattern.compile("#define SAILS_ABI_VERSION (\\d+)").matcher(Files.readString(HEADER));
        assertThat(version.find()).isTrue();
        assertThat(SailsH.VERSION).isEqualTo(Integer.parseInt(version.group(1)));
    }

    @Test
    void statusCodesAreTheHeaders() throws IOException {
        String header = Files.readString(HEADER);
        assertThat(header).contains("#define SAILS_INVALID_ARGUMENT " + NativeException.INVALID_ARGUMENT,
            "#define SAILS_UNSUPPORTED " + NativeException.UNSUPPORTED, "#define SAILS_OUT_OF_MEMORY " + NativeException.OUT_OF_MEMORY,
            "#define SAILS_FAILED " + NativeException.FAILED);
    }

    /** The methods that pass the arguments on agree with the header in names, so that no two of one type are swapped. */
    @Test
    void everyMethodTakesTheArgumentsInTheHeadersOrder() throws IOException {
        StringBuilder source = new StringBuilder();
        for (Class<?> part : CLASSES) {
            source.append(Files.readString(Path.of("src/main/java/io/sails4j/ffi", part.getSimpleName() + ".java")));
        }
        Matcher matcher = functions();
        int compared = 0;
        while (matcher.find()) {
            List<String> names = Arrays.stream(matcher.group(2).split(",")).map(p -> camel(p.replaceAll(".*[\\s*]", ""))).toList();
            Matcher call = Pattern.compile(matcher.group(1).toUpperCase(Locale.ROOT) + "\\.invokeExact\\(([^;]*)\\);").matcher(source);
            assertThat(call.find()).as(matcher.group(1)).isTrue();
            String arguments = call.group(1).replaceAll("at\\((\\w+)\\)", "$1");
            List<String> passed = Arrays.stream(arguments.split(",")).map(String::strip).skip(1).toList();
            assertThat(passed).as(matcher.group(1)).isEqualTo(names);
            compared++;
        }
        assertThat(compared).isGreaterThan(50);
    }

    private static Matcher functions() throws IOException {
        return FUNCTION.matcher(COMMENT.matcher(Files.readString(HEADER)).replaceAll(""));
    }

    private static Map<String, List<Class<?>>> headerFunctions() throws IOException {
        Map<String, List<Class<?>>> out = new LinkedHashMap<>();
        Matcher matcher = functions();
        while (matcher.find()) {
            List<Class<?>> types = new ArrayList<>();
            for (String parameter : matcher.group(2).split(",")) {
                types.add(type(parameter.strip()));
            }
            out.put(matcher.group(1), types);
        }
        return out;
    }

    private static Class<?> type(String parameter) {
        if (parameter.contains("*")) {
            return MemorySegment.class;
        }
        return switch (parameter.split("\\s+")[0]) {
            case "int32_t" -> int.class;
            case "int64_t" -> long.class;
            case "float" -> float.class;
            case "double" -> double.class;
            default -> throw new AssertionError("sails.h uses a type that the ABI does not know: " + parameter);
        };
    }

    private static String camel(String name) {
        return Pattern.compile("_([a-z0-9])").matcher(name).replaceAll(m -> m.group(1).toUpperCase(Locale.ROOT));
    }
}
