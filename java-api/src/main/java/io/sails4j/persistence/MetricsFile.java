package io.sails4j.persistence;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import io.sails4j.InputException;
import io.sails4j.files.AtomicFiles;
import io.sails4j.files.JsonFiles;
import io.sails4j.loop.StepMetrics;
import java.io.BufferedWriter;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import org.jspecify.annotations.Nullable;

/**
 * One JSON object a line for each step, readable while the run goes on. A disk that takes no more lines does not stop the run: it is said
 * once, and the lines that are missing come back with the next resume from a checkpoint before them.
 */
public final class MetricsFile implements AutoCloseable {
    private static final ObjectMapper JSON = new ObjectMapper();

    private final Path path;
    private @Nullable BufferedWriter writer;

    private MetricsFile(Path path) {
        this.path = path;
        try {
            Files.createDirectories(path.toAbsolutePath().getParent());
            writer = Files.newBufferedWriter(path, StandardOpenOption.CREATE, StandardOpenOption.APPEND);
        } catch (IOException e) {
            failed(e);
        }
    }

    /** An empty file. */
    public static MetricsFile create(Path path) {
        try {
            Files.deleteIfExists(path);
        } catch (IOException e) {
            throw new UncheckedIOException("cannot write " + path + ": " + e, e);
        }
        return new MetricsFile(path);
    }

    /** The file of an earlier run without what it wrote after {@code step} steps. */
    public static MetricsFile resume(Path path, long step) {
        if (Files.exists(path)) {
            try {
                StringBuilder kept = new StringBuilder();
                for (String line : Files.readAllLines(path)) {
                    if (belongsTo(line, step)) {
                        kept.append(line).append('\n');
                    }
                }
                AtomicFiles.writeString(path, kept.toString());
            } catch (IOException e) {
                throw new UncheckedIOException("cannot read " + path + ": " + e, e);
            }
        }
        return new MetricsFile(path);
    }

    /** The last line of a killed run may be cut off. */
    private static boolean belongsTo(String line, long step) {
        try {
            JsonNode json = JsonFiles.parse(line, "metrics");
            return json.isObject() && json.path("step").asLong(0) <= step && !json.path("evaluation").asText().equals("after");
        } catch (InputException e) {
            return false;
        }
    }

    /** @param mfu model-FLOP utilisation, the share of the device's peak */
    void step(StepMetrics step, double mfu) {
        ObjectNode json = JSON.createObjectNode();
        json.put("step", step.step()).put("loss", step.loss());
        if (step.penalty() != 0) {
            json.put("penalty", step.penalty());
        }
        json.put("grad_norm", step.gradNorm()).put("lr", step.lr()).put("tokens", step.tokens());
        json.put("tokens_per_s", step.tokensPerSecond()).put("elapsed_ms", step.elapsedMs());
        json.put("flops_per_s", step.flopsPerSecond()).put("mfu", mfu).put("memory_bytes", step.memoryBytes());
        if (!Double.isNaN(step.shareInside())) {
            json.put("share_inside", step.shareInside());
        }
        if (step.policy() != null) {
            PolicyNumbers.of(step.policy()).forEach(json::put);
        }
        line(json);
    }

    /** What the evaluation pairs gave at one moment: {@code before}, {@code step}, {@code after}. */
    void evaluation(String moment, long step, Evaluation evaluation) {
        ObjectNode json = JSON.createObjectNode().put("evaluation", moment).put("step", step).put("loss", evaluation.loss());
        if (!Double.isNaN(evaluation.rewardMargin())) {
            json.put("reward_margin", evaluation.rewardMargin()).put("reward_accuracy", evaluation.rewardAccuracy());
        }
        if (evaluation.policy() != null) {
            PolicyNumbers.of(evaluation.policy()).forEach(json::put);
        }
        line(json);
    }

    /** Writes one object; it needs a field {@code step}. */
    public void line(ObjectNode json) {
        if (writer == null) {
            return;
        }
        try {
            writer.write(json + "\n");
            writer.flush();
        } catch (IOException e) {
            failed(e);
        }
    }

    private void failed(IOException e) {
        Log.warning("cannot write " + path + ": " + e.getMessage() + "; the run goes on without its metrics");
        writer = null;
    }

    @Override
    public void close() {
        if (writer != null) {
            try {
                writer.close();
            } catch (IOException e) {
                failed(e);
            }
        }
    }
}
