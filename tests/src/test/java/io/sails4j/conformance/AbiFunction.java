package io.sails4j.conformance;

import io.sails4j.conformance.SailsHeader.Parameter;
import io.sails4j.ffi.NativeDevice;
import io.sails4j.tensor.DType;
import java.lang.reflect.InvocationTargetException;
import java.lang.reflect.Method;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;

/**
 * An operation of {@code sails.h} as its header declares it, callable with arguments by name.
 *
 * @param parameters those after the handle
 */
record AbiFunction(SailsHeader.Function function, List<Parameter> parameters) {

    /** The operations without those that take host arrays. */
    static List<AbiFunction> operations() {
        return SailsHeader.get().operations().stream().filter(f -> f.parameters().stream().noneMatch(Parameter::pointers))
            .map(f -> new AbiFunction(f, f.parameters().subList(1, f.parameters().size()))).toList();
    }

    static boolean size(Parameter parameter) {
        return parameter.type().equals("int64_t") && !parameter.name().equals("workspace_bytes") && !parameter.name().equals("step");
    }

    static boolean dtype(Parameter parameter) {
        return parameter.name().endsWith("dtype");
    }

    String name() {
        return function.name();
    }

    /** The size of the workspace for these arguments; 0 where the operation takes none. */
    long workspaceBytes(NativeDevice device, Map<String, Number> arguments) {
        Optional<SailsHeader.Function> query = SailsHeader.get().functions().stream()
            .filter(f -> f.name().equals(name() + "_workspace_bytes")).findFirst();
        if (query.isEmpty()) {
            return 0;
        }
        List<Parameter> sizes = query.get().parameters().subList(2, query.get().parameters().size());
        return ((Number) invoke(device, query.get().javaName(), sizes, arguments)).longValue();
    }

    void call(NativeDevice device, Map<String, Number> arguments) {
        invoke(device, function.javaName(), parameters, arguments);
    }

    private static Object invoke(NativeDevice device, String name, List<Parameter> parameters, Map<String, Number> arguments) {
        Method method = Arrays.stream(NativeDevice.class.getInterfaces()).flatMap(section -> Arrays.stream(section.getMethods()))
            .filter(m -> m.getName().equals(name)).findFirst().orElseThrow();
        Object[] values = parameters.stream().map(p -> value(p, arguments.get(p.name()))).toArray();
        try {
            Object result = method.invoke(device, values);
            return result == null ? 0 : result;
        } catch (InvocationTargetException e) {
            if (e.getCause() instanceof RuntimeException runtime) {
                throw runtime;
            }
            throw new IllegalStateException(name, e);
        } catch (IllegalAccessException e) {
            throw new IllegalStateException(name, e);
        }
    }

    private static Object value(Parameter parameter, Number number) {
        if (number == null) {
            throw new IllegalStateException("no value for " + parameter);
        }
        return switch (parameter.type()) {
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
            boolean unused = parameter.name().equals("threshold") || parameter.name().equals("gate_bias");
            arguments.put(parameter.name(), unused ? 0 : parameter.pointer() ? base + arguments.size() * area
                : packed(parameter) ? DType.Q8.abiCode() : scalar(parameter));
        }
        return arguments;
    }

    /** Whether this type is that of a packed matrix. */
    private boolean packed(Parameter parameter) {
        return parameter.name().equals("weight_dtype") || name().equals("sails_quantize") && parameter.name().equals("y_dtype")
            || name().equals("sails_dequantize") && parameter.name().equals("x_dtype");
    }

    private static Number scalar(Parameter parameter) {
        return switch (parameter.name()) {
            case "batch", "n_kv_heads", "r", "r_s", "k", "n_classes" -> 2;
            case "head_dim" -> 8;
            case "kv_batch_stride" -> 4 * 2 * 8;
            case "query_offset", "window", "top_k", "transpose_a", "transpose_b", "activation", "inverse", "right", "accumulate_dx",
                "workspace_bytes" -> 0;
            case "softcap" -> 0;
            case "eps" -> 1e-5;
            case "ldc", "lda", "ldb" -> 4;
            default -> dtype(parameter) ? 0 : parameter.type().equals("int64_t") ? 4 : 1;
        };
    }
}
