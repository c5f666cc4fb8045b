package io.sails4j.persistence;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import io.sails4j.files.AtomicFiles;
import io.sails4j.files.JsonFiles;
import io.sails4j.train.RunOptions;
import io.sails4j.watch.SvgPlot;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;

/**
 * What stands beside a result: {@code metrics.svg}, and the history as {@code trainer_state.json} (huggingface/transformers
 * trainer_callback.py, TrainerState).
 */
public final class RunSummary {
    private final List<JsonNode> lines = new ArrayList<>();
    private final int epochs;
    private final RunOptions options;
    private final long totalSteps;

    public RunSummary(Path metrics, int epochs, RunOptions options, long totalSteps) throws IOException {
        this.epochs = epochs;
        this.options = options;
        this.totalSteps = totalSteps;
        for (String line : Files.readAllLines(metrics)) {
            lines.add(JsonFiles.parse(line, metrics.toString()));
        }
    }

    public void write(Path directory) {
        AtomicFiles.writeString(directory.resolve("metrics.svg"), plot());
        AtomicFiles.writeJson(directory.resolve("trainer_state.json"), trainerState());
    }

    private String plot() {
        List<SvgPlot.Panel> panels = new ArrayList<>();
        panels.add(new SvgPlot.Panel("loss", List.of(series("training", "loss", false), series("evaluation", "loss", true))));
        if (lines.stream().anyMatch(l -> l.has("reward_margin"))) {
            panels.add(new SvgPlot.Panel("evaluation: reward margin", List.of(series("margin", "reward_margin", true))));
        }
        panel(panels, "reward", "reward", true);
        panel(panels, "KL to the untrained model, nats an answer", "kl", false);
        panel(panels, "tokens of an answer", "answer_tokens", true);
        panel(panels, "refusal rate", "refusal_rate", true);
        panel(panels, "share of clipped tokens", "clip_fraction", false);
        panels.add(new SvgPlot.Panel("gradient norm", List.of(series("norm", "grad_norm", false))));
        panels.add(new SvgPlot.Panel("learning rate", List.of(series("rate", "lr", false))));
        panels.add(new SvgPlot.Panel("tokens per second", List.of(series("speed", "tokens_per_s", false))));
        if (lines.stream().anyMatch(l -> l.has("mfu"))) {
            panels.add(new SvgPlot.Panel("model-FLOP utilisation", List.of(series("share of the peak", "mfu", false))));
        }
        return SvgPlot.of("training run", panels);
    }

    /** Of a number that some runs alone have. */
    private void panel(List<SvgPlot.Panel> panels, String title, String key, boolean evaluated) {
        if (lines.stream().anyMatch(l -> l.has(key))) {
            SvgPlot.Series sampled = series("training", key, false);
            panels.add(new SvgPlot.Panel(title, evaluated ? List.of(sampled, series("evaluation", key, true)) : List.of(sampled)));
        }
    }

    private SvgPlot.Series series(String name, String key, boolean evaluation) {
        List<JsonNode> chosen = lines.stream().filter(l -> l.has(key) && l.has("evaluation") == evaluation).toList();
        return new SvgPlot.Series(name, chosen.stream().mapToDouble(l -> l.get("step").asDouble()).toArray(),
            chosen.stream().mapToDouble(l -> l.get(key).asDouble()).toArray());
    }

    private ObjectNode trainerState() {
        ObjectNode state = new ObjectMapper().createObjectNode();
        double best = Double.POSITIVE_INFINITY;
        long bestStep = -1;
        long steps = 0;
        long tokens = 0;
        double flops = 0;
        ArrayNode history = new ObjectMapper().createArrayNode();
        for (JsonNode line : lines) {
            long step = line.path("step").asLong();
            ObjectNode entry = history.addObject().put("epoch", epochs * (double) step / Math.max(1, totalSteps)).put("step", step);
            if (line.has("evaluation")) {
                entry.put("eval_loss", line.get("loss").asDouble());
                if (line.has("reward_margin")) {
                    entry.put("eval_rewards/margins", line.get("reward_margin").asDouble()).put("eval_rewards/accuracies",
                        line.get("reward_accuracy").asDouble());
                }
                if (line.get("evaluation").asText().equals("step") && line.get("loss").asDouble() < best) {
                    best = line.get("loss").asDouble();
                    bestStep = step;
                }
            } else {
                steps = step;
                tokens += line.path("tokens").asLong();
                flops += flops(line);
                entry.put("loss", line.get("loss").asDouble()).put("grad_norm", line.get("grad_norm").asDouble())
                    .put("learning_rate", line.get("lr").asDouble());
            }
        }
        if (bestStep >= 0) {
            state.put("best_global_step", bestStep).put("best_metric", best);
        } else {
            state.putNull("best_global_step").putNull("best_metric");
        }
        state.putNull("best_model_checkpoint").put("epoch", epochs * (double) steps / Math.max(1, totalSteps));
        state.put("eval_steps", options.evaluation().evalEvery()).put("global_step", steps).put("is_hyper_param_search", false);
        state.put("is_local_process_zero", true).put("is_world_process_zero", true);
        state.set("log_history", history);
        state.put("logging_steps", 1).put("max_steps", totalSteps).put("num_input_tokens_seen", tokens).put("num_train_epochs", epochs);
        state.put("save_steps", options.checkpoints().checkpointEvery()).putObject("stateful_callbacks");
        // A step's size is a number of tokens here, not of sequences.
        return state.put("total_flos", flops).putNull("train_batch_size").putNull("trial_name").putNull("trial_params");
    }

    /** A step's operations from its two speeds, which are over the same time. */
    private static double flops(JsonNode line) {
        double tokensPerSecond = line.path("tokens_per_s").asDouble();
        return tokensPerSecond > 0 ? line.path("flops_per_s").asDouble() * line.path("tokens").asLong() / tokensPerSecond : 0;
    }
}
