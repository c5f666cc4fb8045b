package io.sails4j.data;

import com.hubspot.jinjava.lib.exptest.ExpTest;
import com.hubspot.jinjava.lib.filter.Filter;
import com.hubspot.jinjava.util.ForLoop;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.stream.Collectors;
import java.util.stream.StreamSupport;
import jinjava.javax.el.CompositeELResolver;
import jinjava.javax.el.ELContext;
import jinjava.javax.el.ELException;
import jinjava.javax.el.ELResolver;
import jinjava.javax.el.MethodNotFoundException;
import org.jspecify.annotations.Nullable;

/**
 * The methods of texts, lists and mappings that a chat template may call, by Python's rules. Nothing is found by reflection: a method that
 * is not here cannot be called. What is no method is the engine's.
 */
final class PythonMethods extends CompositeELResolver {
    private static final Object NONE = new Object();

    PythonMethods(ELResolver engine) {
        add(engine);
    }

    @Override
    public @Nullable Object invoke(ELContext context, Object base, Object method, Class<?> @Nullable [] types,
        Object @Nullable [] parameters) {
        String name = String.valueOf(method);
        Object[] arguments = parameters == null ? new Object[0] : parameters;
        boolean ofEngine = base instanceof Filter && name.equals("filter")
            || base instanceof ExpTest && (name.equals("evaluate") || name.equals("evaluateNegated"));
        if (ofEngine) {
            return super.invoke(context, base, method, types, parameters);
        }
        context.setPropertyResolved(true);
        Object result = switch (base) {
            case CharSequence text -> ofText(text.toString(), name, arguments);
            case Map<?, ?> map -> ofMap(map, name, arguments);
            default -> NONE;
        };
        if (result == NONE) {
            throw new MethodNotFoundException(
                "there is no method '" + name + "' with " + arguments.length + " arguments that a template may call");
        }
        return result;
    }

    /** A character by its place, from the end where that is negative; null where there is none. */
    static @Nullable String character(String text, int at) {
        int[] points = text.codePoints().toArray();
        int index = at < 0 ? points.length + at : at;
        return index < 0 || index >= points.length ? null : Character.toString(points[index]);
    }

    private static @Nullable Object ofText(String text, String name, Object[] arguments) {
        return switch (name + "/" + arguments.length) {
            case "strip/0" -> PythonText.strip(text);
            case "lstrip/0" -> PythonText.stripBegin(text);
            case "rstrip/0" -> PythonText.stripEnd(text);
            case "strip/1" -> without(text, text(arguments[0]), true, true);
            case "lstrip/1" -> without(text, text(arguments[0]), true, false);
            case "rstrip/1" -> without(text, text(arguments[0]), false, true);
            case "upper/0" -> text.toUpperCase(Locale.ROOT);
            case "lower/0" -> text.toLowerCase(Locale.ROOT);
            case "capitalize/0" -> text.isEmpty() ? text
                : text.substring(0, 1).toUpperCase(Locale.ROOT) + text.substring(1).toLowerCase(Locale.ROOT);
            case "startswith/1" -> text.startsWith(text(arguments[0]));
            case "endswith/1" -> text.endsWith(text(arguments[0]));
            case "replace/2" -> text.replace(text(arguments[0]), text(arguments[1]));
            case "split/0" -> PythonText.words(text);
            case "split/1" -> split(text, text(arguments[0]), Integer.MAX_VALUE);
            case "split/2" -> split(text, text(arguments[0]), number(arguments[1]));
            case "join/1" -> joined(text, arguments[0]);
            case "find/1" -> (long) text.indexOf(text(arguments[0]));
            case "count/1" -> (long) split(text, text(arguments[0]), Integer.MAX_VALUE).size() - 1;
            default -> NONE;
        };
    }

    private static @Nullable Object ofMap(Map<?, ?> map, String name, Object[] arguments) {
        return switch (name + "/" + arguments.length) {
            case "keys/0" -> new ArrayList<>(map.keySet());
            case "values/0" -> new ArrayList<>(map.values());
            case "items/0" -> items(map);
            case "get/1" -> map.get(arguments[0]);
            case "get/2" -> map.containsKey(arguments[0]) ? map.get(arguments[0]) : arguments[1];
            default -> NONE;
        };
    }

    static List<List<Object>> items(Map<?, ?> map) {
        List<List<Object>> items = new ArrayList<>();
        map.forEach((key, value) -> items.add(List.of(key, value)));
        return items;
    }

    private static String joined(String between, Object parts) {
        if (!(parts instanceof Iterable<?> iterable)) {
            throw new ELException("join takes a list");
        }
        return StreamSupport.stream(iterable.spliterator(), false).map(PythonMethods::text).collect(Collectors.joining(between));
    }

    private static List<String> split(String text, String separator, int times) {
        if (separator.isEmpty()) {
            throw new ELException("split needs a separator that is not empty");
        }
        List<String> parts = new ArrayList<>();
        int begin = 0;
        while (times < 0 || parts.size() < times) {
            int next = text.indexOf(separator, begin);
            if (next < 0) {
                break;
            }
            parts.add(text.substring(begin, next));
            begin = next + separator.length();
        }
        parts.add(text.substring(begin));
        return parts;
    }

    private static String without(String text, String characters, boolean atBegin, boolean atEnd) {
        int begin = 0;
        int end = text.length();
        while (atBegin && begin < end && characters.indexOf(text.charAt(begin)) >= 0) {
            begin++;
        }
        while (atEnd && end > begin && characters.indexOf(text.charAt(end - 1)) >= 0) {
            end--;
        }
        return text.substring(begin, end);
    }

    private static String text(Object argument) {
        if (!(argument instanceof CharSequence text)) {
            throw new ELException("a text is expected, found " + argument);
        }
        return text.toString();
    }

    private static int number(Object argument) {
        if (!(argument instanceof Number number)) {
            throw new ELException("a number is expected, found " + argument);
        }
        return number.intValue();
    }

    @Override
    public @Nullable Object getValue(ELContext context, @Nullable Object base, Object property) {
        // Values are texts, numbers, lists and mappings: only the last two have something inside, and a loop its counters.
        if (base != null && !(base instanceof Map) && !(base instanceof List) && !(base instanceof ForLoop)) {
            context.setPropertyResolved(true);
            // The engine hands numbers on as their digits.
            return base instanceof CharSequence text && String.valueOf(property).matches("-?[0-9]{1,9}")
                ? character(text.toString(), Integer.parseInt(String.valueOf(property)))
                : null;
        }
        return super.getValue(context, base, property);
    }
}
