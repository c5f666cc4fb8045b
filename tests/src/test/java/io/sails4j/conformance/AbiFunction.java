package io.sails4j.conformance;

import io.sails4j.ffi.NativeDevice;
import java.io.IOException;
import java.lang.reflect.InvocationTargetException;
import java.lang.reflect.Method;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Stream;

/** An operation of {@code sails.h} as its header declares it, callable with arguments by name. */
record AbiFunction(String name, List<Parameter> parameters) {
    private static final Pattern FUNCTION = Pattern.compile("SAILS_API\\s+int32_t\\s+(sails_\\w+)\\(([^)]*)\\);");
    private static final String WORKSPACE_BYTES = "_workspace_bytes";

    /** A parameter after the handle; {@code type} is its C type without spaces. */
    record Parameter(String type, String name) {
        boolean pointer() {
            return type.contains("*");
        }

        boolean size() {
            return type.equals("int64_t") && !name.equals("workspace_bytes") && !name.equals("step");
        }

        boolean dtype() {
            return name.endsWith("dtype");
        }

        @Override
        public String toString() {
            return name;
        }
    }

    /** The operations from sails_convert on, without those that take host arrays. */
    static List<AbiFunction> operations() throws IOException {
        List<AbiFunction> all = all();
        int first = all.stream().map(AbiFunction::name).toList().indexOf("sails_convert");
        return all.subList(first, all.size()).stream()
            .filter(f -> !f.name.endsWith(WORKSPACE_BYTES) && f.parameters.stream().noneMatch(p -> p.type.contains("*const*"))).toList();
    }

    private static List<AbiFunction> all() throws IOException {
        String header = Files.readString(Path.of("../native/include/sails.h")).replaceAll("(?s)/\\*.*?\\*/", "");
        List<AbiFunction> functions = new ArrayList<>();
        Matcher matcher = FUNCTION.matcher(header);
        while (matcher.find()) {
            functions.add(new AbiFunction(matcher.group(1),
                Arrays.stream(matcher.group(2).split(",")).skip(1).map(AbiFunction::parameter).toList()));
        }
        return functions;
    }

    private static Parameter parameter(String text) {
        Matcher matcher = Pattern.compile("(?s)(.*?)(\\w+)\\s*").matcher(text);
        if (!matcher.matches()) {
            throw new IllegalStateException("cannot read the parameter '" + text + "' of sails.h");
        }
        return new Parameter(matcher.group(1).replaceAll("\\s", ""), matcher.group(2));
    }

    /** The size of the workspace for these arguments; 0 where the operation takes none. */
    long workspaceBytes(NativeDevice device, Map<String, Number> arguments) throws IOException {
        Optional<AbiFunction> query = all().stream().filter(f -> f.name.equals(name + WORKSPACE_BYTES)).findFirst();
        if (query.isEmpty()) {
            return 0;
        }
        List<Parameter> sizes = query.get().parameters.subList(1, query.get().parameters.size());
        return ((Number) invoke(device, query.get().name, sizes, arguments)).longValue();
    }

    void call(NativeDevice device, Map<String, Number> arguments) {
        invoke(device, name, parameters, arguments);
    }

    private static Object invoke(NativeDevice device, String function, List<Parameter> parameters, Map<String, Number> arguments) {
        String javaName = Pattern.compile("_([a-z0-9])").matcher(function.substring("sails_".length())).replaceAll(m ->
            m.group(1).toUpperCase(Locale.ROOT));
        Object part = partWith(javaName, device);
        Method method = Arrays.stream(part.getClass().getMethods()).filter(m -> m.getName().equals(javaName)).findFirst().orElseThrow();
        Object[] values = parameters.stream().map(p -> value(p, arguments.get(p.name))).toArray();
        try {
            Object result = method.invoke(part, values);
            return result == null ? 0 : result;
        } catch (InvocationTargetException e) {
            if (e.getCause() instanceof RuntimeException runtime) {
                throw runtime;
            }
            throw new IllegalStateException(function, e);
        } catch (IllegalAccessException e) {
            throw new IllegalStateException(function, e);
        }
    }

    /** The section of the header that has the function. */
    private static Object partWith(String javaName, NativeDevice device) {
        return Stream.of(device.elementwise(), device.matmul(), device.layers(), device.lora(), device.decoding(), device.optimizer(), device.sae())
            .filter(part -> Arrays.stream(part.getClass().getMethods()).anyMatch(m -> m.getName().equals(javaName))).findFirst().orElseThrow();
    }

    private static Object value(Parameter parameter, Number number) {
        if (number == null) {
            throw new IllegalStateException("no value for " + parameter);
        }
        return switch (parameter.type) {
            case "int32_t" -> number.intValue();
            case "float" -> number.floatValue();
            case "double" -> number.doubleValue();
            default -> number.longValue();
        };
    }

    /** Arguments that are right for every operation over zeroed memory: {@code area} bytes for each pointer from {@code base} on. */
    Map<String, Number> arguments(long base, long area) {
        Map<String, Number> arguments = new LinkedHashMap<>();
        for (Parameter parameter : parameters) {
            // Those two belong to other activations than the relu of this call.
            boolean unused = parameter.name.equals("threshold") || parameter.name.equals("gate_bias");
            arguments.put(parameter.name, unused ? 0 : parameter.pointer() ? base + arguments.size() * area : scalar(parameter));
        }
        return arguments;
    }

    private static Number scalar(Parameter parameter) {
        return switch (parameter.name) {
            case "batch", "n_kv_heads", "r", "r_s", "k", "n_classes" -> 2;
            case "head_dim" -> 8;
            case "kv_batch_stride" -> 4 * 2 * 8;
            case "query_offset", "window", "top_k", "transpose_a", "transpose_b", "activation", "inverse", "right", "accumulate_dx",
                "workspace_bytes" -> 0;
            case "softcap" -> 0;
            case "eps" -> 1e-5;
            case "ldc", "lda", "ldb" -> 4;
            default -> parameter.dtype() ? 0 : parameter.type.equals("int64_t") ? 4 : 1;
        };
    }
}
