package io.sails4j.persistence;

import com.fasterxml.jackson.databind.JsonNode;
import io.sails4j.InputException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.TreeSet;

/** Whether a run that goes on is the one that was begun: everything that decides its result must be the same. */
public final class SameRun {
    private SameRun() {
    }

    /**
     * Refuses to go on with another run.
     *
     * @param partial where the earlier run's state is
     * @param earlier what decided it
     * @param now the same of this run
     * @throws InputException that names what differs
     */
    public static void require(Path partial, JsonNode earlier, JsonNode now) {
        List<String> differences = new ArrayList<>();
        compare("", earlier, now, differences);
        if (!differences.isEmpty()) {
            throw new InputException("cannot resume " + partial + ": " + String.join(", ", differences)
                + "; give the model, data and options of the first run, or remove " + partial + " to start again");
        }
    }

    private static void compare(String prefix, JsonNode earlier, JsonNode now, List<String> differences) {
        TreeSet<String> names = new TreeSet<>();
        earlier.fieldNames().forEachRemaining(names::add);
        now.fieldNames().forEachRemaining(names::add);
        for (String name : names) {
            JsonNode a = earlier.path(name);
            JsonNode b = now.path(name);
            if (a.isObject() && b.isObject()) {
                compare(prefix + name + ".", a, b, differences);
            } else if (!a.toString().equals(b.toString())) {
                differences.add(prefix + name + " was " + shown(a) + " and is now " + shown(b));
            }
        }
    }

    private static String shown(JsonNode value) {
        return value.isMissingNode() ? "not set" : value.isTextual() ? "'" + value.asText() + "'" : value.toString();
    }
}
