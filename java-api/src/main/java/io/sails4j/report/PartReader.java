package io.sails4j.report;

import com.fasterxml.jackson.databind.JsonNode;
import io.sails4j.InputException;
import io.sails4j.files.FileHash;
import io.sails4j.files.JsonFiles;
import io.sails4j.files.JsonObject;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Set;
import java.util.stream.Collectors;
import org.jspecify.annotations.Nullable;

/** Reads the parts that lie in a directory, each by the JSON that its command writes. */
final class PartReader {
    /** The files by which a directory is recognised, in the order in which parts are shown. */
    private enum Kind {
        EVALUATION("eval.json", "an evaluation"), ATTACK("attack.json", "an attack"), TRAINING("sails_run.json",
            "a training run"),
        EXPLANATION("explain.json", "an explanation"), MONITOR("monitor.json", "a monitor");

        private final String file;
        private final String title;

        Kind(String file, String title) {
            this.file = file;
            this.title = title;
        }
    }

    private static final List<String> EVALUATION_KEYS = List.of("run", "answers", "metrics", "comparisons", "utility", "alarms");
    private static final Set<String> RESULTS = Set.of("answers", "metrics", "comparisons", "utility", "curves", "transfers", "layers",
        "angles", "modules", "tokens", "arms", "directions", "format", "kind", "rules", "calibration", "alarms");

    private final Path directory;
    private final String shownAs;

    /** @param shownAs how the report calls the directory */
    PartReader(Path directory, String shownAs) {
        this.directory = directory;
        this.shownAs = shownAs;
    }

    /** All parts, at least one. */
    List<ReportPart> read() {
        if (!Files.isDirectory(directory)) {
            throw new InputException(directory + (Files.exists(directory) ? " is no directory" : " does not exist")
                + ", expected an output directory with " + expected());
        }
        List<ReportPart> parts = new ArrayList<>();
        for (Kind kind : Kind.values()) {
            Path file = directory.resolve(kind.file);
            if (Files.exists(file)) {
                parts.add(read(kind, file, JsonFiles.readObject(file).node()));
            }
        }
        if (parts.isEmpty()) {
            throw new InputException(directory + " holds no results that a report can show, expected " + expected());
        }
        return parts;
    }

    private static String expected() {
        return Arrays.stream(Kind.values()).map(kind -> kind.file + " of " + kind.title).collect(Collectors.joining(", "));
    }

    private ReportPart read(Kind kind, Path file, JsonNode document) {
        try {
            return switch (kind) {
                case EVALUATION -> evaluation(file, document);
                case ATTACK -> attack(file, document);
                case TRAINING -> training(file, new JsonObject(file.toString(), document));
                case EXPLANATION -> explanation(file, document);
                case MONITOR -> new MonitorPart(origin(file, document), RecordReader.list(file, document, "rules", MonitorPart.Rule.class),
                    RecordReader.list(file, document, "calibration", MonitorPart.Quality.class));
            };
        } catch (IllegalArgumentException e) {
            throw new InputException(file + ": " + e.getMessage(), e);
        }
    }

    private PartOrigin origin(Path file, JsonNode described) {
        FlatJson flat = FlatJson.of(described, RESULTS);
        return new PartOrigin(shownAs, String.valueOf(file.getFileName()), FileHash.sha256(file), flat.hashes(), flat.settings());
    }

    private EvaluationPart evaluation(Path file, JsonNode json) {
        if (EVALUATION_KEYS.stream().noneMatch(json::has)) {
            throw new InputException(file + " is no evaluation that sails eval wrote: it has none of the keys "
                + String.join(", ", EVALUATION_KEYS));
        }
        return new EvaluationPart(runOrigin(file, json),
            RecordReader.list(file, json, "answers", EvaluationPart.ArmAnswers.class),
            RecordReader.list(file, json, "metrics", Measurement.class), RecordReader.list(file, json, "comparisons", Difference.class),
            RecordReader.list(file, json, "utility", Measurement.class),
            RecordReader.list(file, json, "alarms", EvaluationPart.AlarmRate.class), completions());
    }

    private List<EvaluationPart.Completion> completions() {
        Path file = directory.resolve("completions.jsonl");
        return Files.exists(file) ? RecordReader.lines(file, EvaluationPart.Completion.class) : List.of();
    }

    /** Of files that describe their run apart. */
    private PartOrigin runOrigin(Path file, JsonNode json) {
        if (!json.has("run")) {
            return origin(file, json);
        }
        FlatJson flat = FlatJson.of(json.path("run"), Set.of());
        return new PartOrigin(shownAs, String.valueOf(file.getFileName()), FileHash.sha256(file), flat.hashes(), flat.settings());
    }

    private AttackPart attack(Path file, JsonNode json) {
        return new AttackPart(runOrigin(file, json), json.path("kind").asText("attack"),
            RecordReader.list(file, json, "arms", String.class),
            RecordReader.list(file, json, "metrics", Measurement.class), RecordReader.list(file, json, "comparisons", Difference.class),
            RecordReader.list(file, json, "curves", AttackPart.Curve.class),
            RecordReader.list(file, json, "transfers", AttackPart.Transfer.class),
            RecordReader.list(file, json, "directions", AttackPart.Direction.class), completions());
    }

    private ReportPart explanation(Path file, JsonNode json) {
        String kind = new JsonObject(file.toString(), json).requiredString("kind");
        return switch (kind) {
            case "subspace" -> new SubspacePart(origin(file, json), RecordReader.list(file, json, "layers", SubspacePart.Layer.class),
                RecordReader.list(file, json, "angles", SubspacePart.Angles.class));
            case "adapter" -> new AdapterPart(origin(file, json), RecordReader.list(file, json, "modules", AdapterPart.Module.class),
                RecordReader.list(file, json, "layers", AdapterPart.Layer.class));
            case "prompt" -> new PromptPart(origin(file, json), RecordReader.list(file, json, "tokens", String.class),
                RecordReader.list(file, json, "layers", PromptPart.Layer.class));
            default -> throw new InputException(file + " has the kind '" + kind + "', expected subspace, adapter or prompt");
        };
    }

    private TrainingPart training(Path file, JsonObject json) {
        Path metrics = directory.resolve("metrics.jsonl");
        List<TrainingLine> lines = Files.exists(metrics) ? RecordReader.lines(metrics, TrainingLine.class) : List.of();
        return new TrainingPart(origin(file, json.node()), json.requiredString("method"), json.requiredLong("trainable_parameters"),
            json.requiredLong("steps"), number(json, "loss_before"), number(json, "loss_after"), json.requiredLong("evaluation_pairs"),
            json.optionalBoolean("held_out").orElse(false), number(json, "share_inside"),
            lines.stream().filter(line -> line.evaluation() == null).map(TrainingLine::trained).toList(),
            lines.stream().filter(line -> line.evaluation() != null).map(TrainingLine::evaluated).toList());
    }

    private static @Nullable Double number(JsonObject json, String key) {
        return json.optionalDouble(key).orElse(null);
    }
}
