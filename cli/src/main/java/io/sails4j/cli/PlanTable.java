package io.sails4j.cli;

import com.fasterxml.jackson.databind.node.ObjectNode;
import io.sails4j.adaptation.Adaptation;
import io.sails4j.config.ModelConfig;
import io.sails4j.loop.StepWorkspace;
import io.sails4j.loop.TrainingFlops;
import io.sails4j.loop.TrainingLoop;
import io.sails4j.model.MemoryPlan;
import io.sails4j.model.RecomputePlan;
import io.sails4j.model.WeightFormat;
import io.sails4j.ops.Engine;
import io.sails4j.tensor.DType;
import io.sails4j.train.ObjectiveOptions;
import io.sails4j.train.PolicyOptions;
import io.sails4j.train.RecomputeOption;
import io.sails4j.train.TrainingOptions;
import java.util.LinkedHashMap;
import java.util.Locale;
import java.util.Map;

/** What a run would need, told without running it. */
final class PlanTable {
    /** Memory of cards that people have, in GB as their names say it. */
    private static final int[] CARDS_GB = {24, 80, 141};
    private static final double GB = 1e9;
    /** Left to the driver and the CUDA context. */
    private static final double USABLE = 0.97;

    private final ModelConfig config;
    private final DType dtype;
    private final WeightFormat format;
    private final Adaptation adaptation;
    private final TrainingOptions training;
    private final long length;
    private final MemoryPlan.Trained trained;
    private final long workspaceBytes;
    private final long positions;

    PlanTable(ModelConfig config, DType dtype, WeightFormat format, Adaptation adaptation, long length, Engine engine) {
        this.config = config;
        this.dtype = dtype;
        this.format = format;
        this.adaptation = adaptation;
        this.training = adaptation.options().training();
        this.length = length;
        this.positions = Math.max(length, training.batching().microBatchTokens());
        this.trained = TrainingLoop.trained(adaptation.shape(config), training.optimizer());
        this.workspaceBytes = StepWorkspace.bytes(engine.ops(), config, dtype, positions, length);
    }

    private MemoryPlan plan(RecomputePlan recompute) {
        return MemoryPlan.of(config, dtype, format, trained, positions, recompute, workspaceBytes);
    }

    private RecomputePlan chosen(RecomputeOption recompute) {
        return recompute.of(config.nLayers(),
            budget -> MemoryPlan.cheapest(config, dtype, format, trained, positions, workspaceBytes, budget));
    }

    private long trainable() {
        return trained.shape().parameterCount(config);
    }

    /** What is computed again on a card of this size, or "does not fit". */
    private String onCard(int gb) {
        long budget = (long) (gb * GB * USABLE);
        RecomputePlan chosen = chosen(RecomputeOption.within(budget));
        long total = plan(chosen).totalBytes();
        return total > budget ? String.format(Locale.ROOT, "does not fit: %.1f GB even with all layers computed again", total / GB)
            : String.format(Locale.ROOT, "%.1f GB, %s", total / GB, chosen.describe(config.nLayers()));
    }

    /** Of the answers that are sampled at a time, each as long as a sequence; 0 where none are. */
    private long samplingBytes() {
        ObjectiveOptions objective = adaptation.options().objective();
        if (!objective.objective().samplesAnswers()) {
            return 0;
        }
        PolicyOptions policy = objective.policy();
        long atOnce = Math.min(policy.sampling().sequences(), (long) policy.samples() * policy.promptsPerStep());
        return atOnce * length * 2 * config.nLayers() * config.nKvHeads() * config.headDim() * dtype.byteSize();
    }

    Table table() {
        Table table = Table.ofPairs().row("parameters", String.format(Locale.ROOT, "%,d", config.parameterCount()));
        table.row("trained parameters", String.format(Locale.ROOT, "%,d", trainable()));
        if (!adaptation.shapeIsKnown()) {
            table.row("", "counted with r dimensions of the subspace in each layer; --subspace FILE gives the number");
        }
        table.row("micro-batch", String.format(Locale.ROOT, "%,d positions, %s", positions, dtype));
        RecomputePlan asked = chosen(training.execution().recompute());
        plan(asked).parts().forEach(part -> table.row(part.getKey(), String.format(Locale.ROOT, "%.2f GB", part.getValue() / GB)));
        table.row("in all, " + asked.describe(config.nLayers()), String.format(Locale.ROOT, "%.2f GB", plan(asked).totalBytes() / GB));
        if (samplingBytes() > 0) {
            table.row("besides, caches of answers under way",
                String.format(Locale.ROOT, "%.2f GB, where each has %,d tokens", samplingBytes() / GB, length));
        }
        variants().forEach((name, recompute) -> table.row("--recompute " + name,
            String.format(Locale.ROOT, "%.2f GB, %.3g FLOPs a token", plan(recompute).totalBytes() / GB, flops(recompute))));
        for (int gb : CARDS_GB) {
            table.row("on a card of " + gb + " GB", onCard(gb));
        }
        return table.row("FLOPs a token",
            String.format(Locale.ROOT, "%.3g in sequences of %,d, forward and backward", flops(RecomputePlan.none()), length));
    }

    private double flops(RecomputePlan recompute) {
        return TrainingFlops.step(config, length, trained.shape().full(), recompute.full());
    }

    private Map<String, RecomputePlan> variants() {
        Map<String, RecomputePlan> variants = new LinkedHashMap<>();
        variants.put("off", chosen(RecomputeOption.off()));
        variants.put("selective", chosen(RecomputeOption.selective()));
        variants.put("full", chosen(RecomputeOption.full()));
        return variants;
    }

    ObjectNode json() {
        ObjectNode json = CommonOptions.object().put("parameters", config.parameterCount()).put("trainable_parameters", trainable())
            .put("exact", adaptation.shapeIsKnown());
        if (samplingBytes() > 0) {
            json.put("sampling_bytes", samplingBytes());
        }
        json.put("positions", positions).put("length", length).put("dtype", dtype.name());
        variants().forEach((name, recompute) -> {
            MemoryPlan plan = plan(recompute);
            json.putObject("recompute_" + name).put("weight_bytes", plan.weightBytes()).put("trainable_bytes", plan.trainableBytes())
                .put("kept_bytes", plan.keptBytes()).put("scratch_bytes", plan.scratchBytes()).put("head_bytes", plan.headBytes())
                .put("total_bytes", plan.totalBytes()).put("flops_per_token", flops(recompute));
        });
        return json;
    }
}
