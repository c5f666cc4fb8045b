package io.sails4j.options;

import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import com.fasterxml.jackson.databind.node.ObjectNode;
import io.sails4j.InputException;
import java.lang.reflect.InvocationTargetException;
import java.lang.reflect.RecordComponent;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collection;
import java.util.HashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Set;
import java.util.function.Predicate;

/**
 * Records of options as a flat list. A component with {@link Described} is an option; a component that is a record of options is walked
 * through. An option's name is the component's in snake case, so that Java, files and the command line spell it the same.
 */
public final class Options {
    private Options() {
    }

    /**
     * One option.
     *
     * @param name in snake case
     * @param description one sentence
     * @param label what stands for a value in help; for enums its values
     * @param group the heading of its record
     * @param decides whether another value can change the result
     * @param type of the component
     * @param value that it has
     * @param usedWith what other options have to be for it to do anything, as {@link Described#usedWith} says it
     */
    public record Entry(String name, String description, String label, String group, boolean decides, Class<?> type, Object value,
        List<String> usedWith) {
        public Entry {
            usedWith = List.copyOf(usedWith);
        }
    }

    /** All options of a record, in the order of its components. */
    public static List<Entry> of(Record options) {
        List<Entry> entries = new ArrayList<>();
        for (RecordComponent component : options.getClass().getRecordComponents()) {
            Object value = read(options, component);
            Described described = component.getAnnotation(Described.class);
            if (described != null) {
                entries.add(entry(options.getClass(), component, described, value));
            } else if (value instanceof Record nested) {
                entries.addAll(of(nested));
            } else {
                throw new IllegalArgumentException(options.getClass().getSimpleName() + "." + component.getName() + " has no @Described");
            }
        }
        return entries;
    }

    private static Entry entry(Class<?> owner, RecordComponent component, Described described, Object value) {
        OptionGroup group = owner.getAnnotation(OptionGroup.class);
        return new Entry(name(component, described), described.value(),
            component.getType().isEnum() ? values(component.getType()) : described.label(), group == null ? "" : group.value(),
            described.decides(),
            component.getType(), value, List.of(described.usedWith()));
    }

    private static String name(RecordComponent component, Described described) {
        return described.name().isEmpty() ? snakeCase(component.getName()) : described.name();
    }

    /** All options with their values, as files hold them. */
    public static ObjectNode json(Record options) {
        return json(options, entry -> true);
    }

    /** Those that decide the result. */
    public static ObjectNode deciding(Record options) {
        return json(options, Entry::decides);
    }

    private static ObjectNode json(Record options, Predicate<Entry> wanted) {
        ObjectNode json = JsonNodeFactory.instance.objectNode();
        of(options).stream().filter(wanted).forEach(entry -> put(json, entry.name(), entry.value()));
        return json;
    }

    private static void put(ObjectNode json, String name, Object value) {
        switch (value) {
            case Boolean b -> json.put(name, b);
            case Integer i -> json.put(name, i);
            case Long l -> json.put(name, l);
            case Double d -> json.put(name, d);
            case Map<?, ?> map -> {
                ObjectNode node = json.putObject(name);
                map.forEach((key, inner) -> put(node, String.valueOf(key), inner));
            }
            case Collection<?> items -> {
                ArrayNode node = json.putArray(name);
                items.stream().sorted().forEach(item -> node.add(spelling(item)));
            }
            default -> json.put(name, spelling(value));
        }
    }

    /** A value as a person writes it. */
    public static String spelling(Object value) {
        return switch (value) {
            case OptionValue own -> own.spelling();
            case Enum<?> constant -> label(constant);
            case Collection<?> items -> String.join(",", items.stream().sorted().map(Options::spelling).toList());
            case Double d when d == Math.rint(d) && Math.abs(d) < 1e6 -> String.valueOf(d.longValue());
            case Double d when Math.abs(d) < 1e-3 -> String.format(Locale.ROOT, "%.0e", d).replace("e-0", "e-");
            default -> String.valueOf(value);
        };
    }

    /** An enum's constant as files and the command line spell it. */
    public static String label(Enum<?> constant) {
        return constant instanceof OptionValue own ? own.spelling() : constant.name().toLowerCase(Locale.ROOT);
    }

    private static String values(Class<?> type) {
        return String.join("|", Arrays.stream(type.getEnumConstants()).map(constant -> label((Enum<?>) constant)).toList());
    }

    /** {@code microBatchTokens} to {@code micro_batch_tokens}. */
    public static String snakeCase(String camelCase) {
        return camelCase.replaceAll("([a-z0-9])([A-Z])", "$1_$2").toLowerCase(Locale.ROOT);
    }

    /**
     * The same record with other values.
     *
     * @param values by name; each must be of its component's type (boxed)
     * @throws InputException where a value is none of its option, or values do not go together
     */
    public static <R extends Record> R with(R options, Map<String, Object> values) {
        Class<?> type = options.getClass();
        RecordComponent[] components = type.getRecordComponents();
        Object[] arguments = new Object[components.length];
        for (int i = 0; i < components.length; i++) {
            Object value = read(options, components[i]);
            Described described = components[i].getAnnotation(Described.class);
            if (described == null) {
                arguments[i] = value instanceof Record nested ? with(nested, values) : value;
            } else {
                arguments[i] = values.getOrDefault(name(components[i], described), value);
            }
        }
        @SuppressWarnings("unchecked")
        R made = (R) construct(type, components, arguments);
        return made;
    }

    /**
     * Refuses options that were given and do nothing beside the others: whoever gives one means something by it.
     *
     * @param given the names of the options that were given, those of other records among them
     * @throws InputException that names the option and what it needs
     */
    public static void requireUsed(Record options, Set<String> given) {
        List<Entry> entries = of(options);
        Map<String, Object> values = new HashMap<>();
        entries.forEach(entry -> values.put(entry.name(), entry.value()));
        for (Entry entry : entries) {
            UsedWith usedWith = UsedWith.parse(entry.usedWith());
            if (given.contains(entry.name()) && !usedWith.holds(values)) {
                throw usedWith.unused(entry.name(), values);
            }
        }
    }

    private static Object construct(Class<?> type, RecordComponent[] components, Object[] arguments) {
        try {
            return type.getDeclaredConstructor(Arrays.stream(components).map(RecordComponent::getType).toArray(Class<?>[]::new))
                .newInstance(arguments);
        } catch (InvocationTargetException e) {
            if (e.getCause() instanceof IllegalArgumentException wrong) {
                // A record that programs fill in as well: here its values come from people.
                throw new InputException(String.valueOf(wrong.getMessage()), wrong);
            }
            if (e.getCause() instanceof RuntimeException cause) {
                throw cause;
            }
            throw new IllegalStateException(type + " cannot be made", e);
        } catch (ReflectiveOperationException e) {
            throw new IllegalStateException(type + " cannot be made", e);
        }
    }

    private static Object read(Record options, RecordComponent component) {
        try {
            return component.getAccessor().invoke(options);
        } catch (ReflectiveOperationException e) {
            throw new IllegalStateException(options.getClass() + "." + component.getName() + " cannot be read", e);
        }
    }
}
