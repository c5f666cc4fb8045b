package io.sails4j.options;

import io.sails4j.InputException;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.Objects;

/** When an option does anything, as its description says it, and the sentence where it does not. */
record UsedWith(List<List<Part>> ways) {
    /** A condition on another option. */
    record Part(String name, List<String> values) {
        private static final String POSITIVE = ">0";

        static Part parse(String text) {
            if (text.endsWith(POSITIVE)) {
                return new Part(text.substring(0, text.length() - POSITIVE.length()), List.of());
            }
            int equals = text.indexOf('=');
            if (equals < 1) {
                throw new IllegalArgumentException("'" + text + "' is no condition, expected name=value|value or name>0");
            }
            return new Part(text.substring(0, equals), List.of(text.substring(equals + 1).split("\\|")));
        }

        boolean holds(Map<String, Object> options) {
            Object value = options.get(name);
            if (value == null) {
                throw new IllegalArgumentException("a condition names the option '" + name + "', which is none of " + options.keySet());
            }
            return values.isEmpty() ? ((Number) value).doubleValue() > 0 : values.contains(Options.spelling(value));
        }

        String inWords() {
            return values.isEmpty() ? name + " above 0" : String.join(" or ", values.stream().map(value -> name + "=" + value).toList());
        }
    }

    /** @param texts as {@link Described#usedWith} has them */
    static UsedWith parse(List<String> texts) {
        return new UsedWith(texts.stream()
            .map(way -> Arrays.stream(way.split(", *")).map(Part::parse).toList()).toList());
    }

    boolean holds(Map<String, Object> options) {
        return ways.isEmpty() || ways.stream().anyMatch(way -> way.stream().allMatch(part -> part.holds(options)));
    }

    /** That an option was given which does nothing beside the others. */
    InputException unused(String option, Map<String, Object> options) {
        List<String> needed = ways.stream().map(way -> String.join(" and ", way.stream().map(Part::inWords).toList())).toList();
        List<String> found = new ArrayList<>();
        ways.stream().flatMap(List::stream).map(Part::name).distinct()
            .forEach(name -> found.add(name + "=" + Options.spelling(Objects.requireNonNull(options.get(name)))));
        return new InputException(option + " is given, and it does something only with " + String.join(", or with ", needed)
            + "; here it is " + String.join(", ", found) + ": leave it out, or change that");
    }
}
