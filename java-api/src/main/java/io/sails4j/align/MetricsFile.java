package io.sails4j.align;

import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import io.sails4j.train.StepMetrics;
import java.io.BufferedWriter;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;

/** One JSON object a line for each step, readable while the run goes on. */
final class MetricsFile implements AutoCloseable {
    private static final ObjectMapper JSON = new ObjectMapper();

    private final BufferedWriter writer;

    MetricsFile(Path path) {
        try {
            Files.createDirectories(path.toAbsolutePath().getParent());
            writer = Files.newBufferedWriter(path);
        } catch (IOException e) {
            throw new UncheckedIOException("cannot write " + path + ": " + e, e);
        }
    }

    void step(StepMetrics step) {
        ObjectNode json = JSON.createObjectNode();
        json.put("step", step.step()).put("loss", step.loss());
        if (step.penalty() != 0) {
            json.put("penalty", step.penalty());
        }
        json.put("grad_norm", step.gradNorm()).put("lr", step.lr()).put("tokens", step.tokens());
        json.put("tokens_per_s", step.tokensPerSecond()).put("elapsed_ms", step.elapsedMs());
        if (!Double.isNaN(step.shareInside())) {
            json.put("share_inside", step.shareInside());
        }
        line(json);
    }

    /** The loss on the evaluation pairs at one moment. */
    void evaluation(String moment, double loss) {
        line(JSON.createObjectNode().put("evaluation", moment).put("loss", loss));
    }

    private void line(ObjectNode json) {
        try {
            writer.write(json + "\n");
            writer.flush();
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    void flush() {
        try {
            writer.flush();
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    @Override
    public void close() {
        try {
            writer.close();
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }
}
