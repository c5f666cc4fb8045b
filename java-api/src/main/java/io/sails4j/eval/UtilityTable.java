package io.sails4j.eval;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.nio.file.Path;
import java.util.HashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.function.Consumer;
import java.util.stream.IntStream;

/** What was measured of each document, question and prompt, as lines of JSON. */
final class UtilityTable {
    private final List<EvalArm> arms;
    private final UtilityFiles files;
    private final Map<Place, ObjectNode> lines = new HashMap<>();

    /** What a line is of. */
    enum Kind {
        TEXT("perplexity"), CHOICE("choices"), ANSWER("answers"), DIVERGENCE("divergence");

        private final String title;

        Kind(String title) {
            this.title = title;
        }

        String title() {
            return title;
        }

        String key() {
            return name().toLowerCase(Locale.ROOT);
        }
    }

    private record Place(int arm, Kind kind, int file, int item) {
    }

    UtilityTable(List<EvalArm> arms, UtilityFiles files) {
        this.arms = arms;
        this.files = files;
    }

    private List<Path> paths(Kind kind) {
        return switch (kind) {
            case TEXT -> files.texts().stream().map(file -> file.path()).toList();
            case CHOICE -> files.choices().stream().map(file -> file.path()).toList();
            case ANSWER, DIVERGENCE -> files.benign().stream().map(PromptFile::path).toList();
        };
    }

    int items(Kind kind, int file) {
        return switch (kind) {
            case TEXT -> files.texts().get(file).documents().size();
            case CHOICE -> files.choices().get(file).questions().size();
            case ANSWER, DIVERGENCE -> files.benign().get(file).prompts().size();
        };
    }

    int files(Kind kind) {
        return paths(kind).size();
    }

    /** For people and for results. */
    String name(Kind kind, int file) {
        return String.valueOf(paths(kind).get(file).getFileName());
    }

    boolean complete(int arm, Kind kind) {
        return IntStream.range(0, files(kind))
            .allMatch(file -> IntStream.range(0, items(kind, file)).allMatch(item -> has(arm, kind, file, item)));
    }

    boolean has(int arm, Kind kind, int file, int item) {
        return lines.containsKey(new Place(arm, kind, file, item));
    }

    ObjectNode get(int arm, Kind kind, int file, int item) {
        ObjectNode line = lines.get(new Place(arm, kind, file, item));
        if (line == null) {
            throw new IllegalStateException("item " + item + " of " + name(kind, file) + " is not measured of arm " + arm);
        }
        return line;
    }

    /** A line of the journal that is known already. */
    void put(ObjectNode line) {
        Kind kind = Kind.valueOf(line.path("kind").asText().toUpperCase(Locale.ROOT));
        lines.put(new Place(line.path("arm").asInt(), kind, line.path("file").asInt(), line.path("item").asInt()), line);
    }

    /** The line of the journal of what was measured. */
    ObjectNode put(int arm, Kind kind, int file, int item, JsonNode measured) {
        ObjectNode line = JsonNodeFactory.instance.objectNode().put("arm", arm).put("kind", kind.key()).put("file", file).put("item", item);
        line.setAll((ObjectNode) measured);
        lines.put(new Place(arm, kind, file, item), line);
        return line;
    }

    /** All lines in their order, with names in place of numbers. */
    void forEachLine(Consumer<ObjectNode> sink) {
        for (int arm = 0; arm < arms.size(); arm++) {
            for (Kind kind : Kind.values()) {
                for (int file = 0; file < files(kind); file++) {
                    for (int item = 0; item < items(kind, file); item++) {
                        if (has(arm, kind, file, item)) {
                            ObjectNode line = get(arm, kind, file, item).deepCopy();
                            sink.accept(line.put("arm", arms.get(arm).name()).put("file", name(kind, file)));
                        }
                    }
                }
            }
        }
    }
}
