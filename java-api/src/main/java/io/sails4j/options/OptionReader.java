package io.sails4j.options;

import com.fasterxml.jackson.databind.JsonNode;
import io.sails4j.InputException;
import java.lang.reflect.ParameterizedType;
import java.lang.reflect.RecordComponent;
import java.lang.reflect.Type;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import org.jspecify.annotations.Nullable;

/** Values of options as files have them, for {@link Options#with}: the inverse of {@link Options#json}. */
public final class OptionReader {
    private final Record defaults;
    private final String where;

    /**
     * A reader of one record's options.
     *
     * @param defaults the record, whose options are known
     * @param where the values stand, for messages
     */
    public OptionReader(Record defaults, String where) {
        this.defaults = defaults;
        this.where = where;
    }

    /**
     * The values of an object by the options' names.
     *
     * @throws InputException where a key is no option, or a value is none of its kind
     */
    public Map<String, Object> read(JsonNode object) {
        if (!object.isObject()) {
            throw new InputException(where + " is " + object + ", expected options by their names");
        }
        Map<String, Type> types = types(defaults.getClass());
        Map<String, Object> values = new LinkedHashMap<>();
        object.properties().forEach(property -> {
            Type type = types.get(property.getKey());
            if (type == null) {
                throw new InputException(
                    where + " has '" + property.getKey() + "', expected one of '" + String.join("', '", types.keySet()) + "'");
            }
            values.put(property.getKey(), value(property.getKey(), property.getValue(), type));
        });
        return values;
    }

    private Map<String, Type> types(Class<?> record) {
        Map<String, Type> types = new LinkedHashMap<>();
        for (RecordComponent component : record.getRecordComponents()) {
            Described described = component.getAnnotation(Described.class);
            if (described != null) {
                types.put(described.name().isEmpty() ? Options.snakeCase(component.getName()) : described.name(),
                    component.getGenericType());
            } else {
                types.putAll(types(component.getType()));
            }
        }
        return types;
    }

    private Object value(String name, JsonNode node, Type type) {
        Object value = switch (type) {
            case Class<?> plain when plain == boolean.class && node.isBoolean() -> node.booleanValue();
            case Class<?> plain when plain == int.class && node.canConvertToExactIntegral() && node.canConvertToInt() -> node.intValue();
            case Class<?> plain when plain == long.class && node.canConvertToExactIntegral() && node.canConvertToLong() -> node.longValue();
            case Class<?> plain when plain == double.class && node.isNumber() -> node.doubleValue();
            case Class<?> plain when plain == String.class && node.isTextual() -> node.textValue();
            case Class<?> plain when plain.isEnum() && node.isTextual() -> constant(plain, node.textValue());
            case ParameterizedType set when set.getRawType() == Set.class && node.isArray() -> set(node, set.getActualTypeArguments()[0]);
            case ParameterizedType map when map.getRawType() == Map.class && node.isObject() -> map(name, node,
                map.getActualTypeArguments()[1]);
            default -> null;
        };
        if (value == null) {
            throw new InputException(where + " gives '" + name + "' the value " + node + ", expected " + expected(type));
        }
        return value;
    }

    private static @Nullable Object constant(Type type, String label) {
        return type instanceof Class<?> plain ? Arrays.stream(plain.getEnumConstants())
            .filter(constant -> Options.label((Enum<?>) constant).equals(label)).findFirst().orElse(null) : null;
    }

    private static @Nullable Object set(JsonNode node, Type item) {
        Set<Object> items = new LinkedHashSet<>();
        for (JsonNode element : node) {
            Object constant = constant(item, element.asText());
            if (constant == null) {
                return null;
            }
            items.add(constant);
        }
        return items;
    }

    private Object map(String name, JsonNode node, Type item) {
        Map<String, Object> map = new LinkedHashMap<>();
        node.properties().forEach(entry -> map.put(entry.getKey(),
            value(name, entry.getValue(), item == Integer.class ? int.class : double.class)));
        return map;
    }

    private static String expected(Type type) {
        return switch (type) {
            case Class<?> plain when plain == boolean.class -> "true or false";
            case Class<?> plain when plain == int.class || plain == long.class -> "a whole number";
            case Class<?> plain when plain == double.class -> "a number";
            case Class<?> plain when plain == String.class -> "a text";
            case Class<?> plain when plain.isEnum() -> labels(plain);
            case ParameterizedType set when set.getRawType() == Set.class -> "a list of some of " + labels(set.getActualTypeArguments()[0]);
            case ParameterizedType _ -> "numbers by names";
            default -> "the option left out: a file cannot set it";
        };
    }

    private static String labels(Type type) {
        return type instanceof Class<?> plain && plain.isEnum()
            ? String.join(", ", List.of(plain.getEnumConstants()).stream().map(constant -> Options.label((Enum<?>) constant)).toList())
            : type.getTypeName();
    }
}
