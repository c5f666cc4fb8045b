package io.sails4j.cli;

import io.sails4j.align.AdapterOptions;
import io.sails4j.align.AlignOptions;
import io.sails4j.io.InputException;
import io.sails4j.model.Projection;
import io.sails4j.ops.AdamwOptions;
import io.sails4j.ops.Graphs;
import io.sails4j.train.CheckpointOptions;
import io.sails4j.train.EvaluationOptions;
import io.sails4j.train.LrSchedule;
import io.sails4j.train.MatmulPeak;
import io.sails4j.train.OptimizerOptions;
import io.sails4j.train.Recompute;
import io.sails4j.train.TrainingOptions;
import java.util.LinkedHashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Option;

/** How an alignment run trains. */
final class TrainingArguments {
    @Option(names = "--method", defaultValue = "sails", paramLabel = "sails|lora|full",
        description = "adapter that starts in the safety subspace, plain adapter, or all parameters (default: ${DEFAULT-VALUE})")
    private AlignOptions.Method method;

    @Option(names = "--objective", defaultValue = "sft", paramLabel = "sft|dpo|ipo|orpo",
        description = "likelihood of the aligned answers, or preference over the unaligned by the loss of DPO, IPO or ORPO (default: ${DEFAULT-VALUE})")
    private AlignOptions.Objective objective;

    @Option(names = "--constraint", defaultValue = "none", paramLabel = "none|penalty|gradient|update|core",
        description = "what keeps the adapter in the subspace; 'update' and 'core' (the factor is U C, C is trained) hold it there (default: ${DEFAULT-VALUE})")
    private AlignOptions.Constraint constraint;

    @Option(names = "--penalty", defaultValue = "1", paramLabel = "LAMBDA", description = "weight of the constraint 'penalty' (default: ${DEFAULT-VALUE})")
    private double penalty;

    @Option(names = "--fill", defaultValue = "auto", paramLabel = "auto|complement|truncate",
        description = "where the subspace has fewer dimensions than r: complete it, or lower the rank (default: complement, with "
            + "'gradient', 'update' and 'core' truncate)")
    private AlignOptions.Fill fill;

    @Option(names = "--targets", defaultValue = "q_proj,k_proj,v_proj,o_proj", split = ",", paramLabel = "NAME,...",
        description = "linear maps with an adapter, in every layer (default: ${DEFAULT-VALUE})")
    private List<String> targets;

    @Option(names = {"-r", "--rank"}, defaultValue = "16", paramLabel = "R", description = "rank of the adapters (default: ${DEFAULT-VALUE})")
    private int r;

    @Option(names = "--alpha", defaultValue = "0", paramLabel = "A", description = "lora_alpha, the output is scaled by A / R (default: R)")
    private double alpha;

    @Option(names = "--rslora", description = "scale by A / sqrt(R) instead (rsLoRA)")
    private boolean rsLora;

    @Option(names = "--rank-pattern", split = ",", paramLabel = "MODULE=R", description = "ranks of modules by the end of their path or a regular expression")
    private Map<String, Integer> rankPattern = new LinkedHashMap<>();

    @Option(names = "--alpha-pattern", split = ",", paramLabel = "MODULE=A", description = "lora_alpha of modules likewise")
    private Map<String, Double> alphaPattern = new LinkedHashMap<>();

    @Option(names = "--init", defaultValue = "kaiming", paramLabel = "kaiming|orthogonal|pissa",
        description = "how a plain adapter (--method lora) starts; pissa: as the principal part of each weight, written as an adapter of twice the rank "
            + "(default: ${DEFAULT-VALUE})")
    private AdapterOptions.Init init;

    @Option(names = "--dora", description = "train the lengths of the adapted rows too (DoRA, for --method lora)")
    private boolean dora;

    @Option(names = "--beta", defaultValue = "0.1", paramLabel = "B", description = "beta of DPO and IPO, weight of ORPO's odds ratio (default: ${DEFAULT-VALUE})")
    private double beta;

    @Option(names = "--reference", defaultValue = "cached", paramLabel = "cached|live",
        description = "of DPO and IPO: the untrained model's log-probabilities once before the first step, kept on disk, or in each step with the "
            + "adapter off (default: ${DEFAULT-VALUE})")
    private String reference;

    @Option(names = "--lr", defaultValue = "2e-4", paramLabel = "LR", description = "largest learning rate (default: ${DEFAULT-VALUE})")
    private double lr;

    @Option(names = "--schedule", defaultValue = "cosine", paramLabel = "constant|linear|cosine", description = "default: ${DEFAULT-VALUE}")
    private LrSchedule schedule;

    @Option(names = "--warmup", defaultValue = "0.03", paramLabel = "SHARE", description = "share of the steps in which the rate rises (default: ${DEFAULT-VALUE})")
    private double warmup;

    @Option(names = "--weight-decay", defaultValue = "0", paramLabel = "W", description = "default: ${DEFAULT-VALUE}")
    private double weightDecay;

    @Option(names = "--max-grad-norm", defaultValue = "1", paramLabel = "N", description = "gradients are clipped to this norm, 0 = not (default: ${DEFAULT-VALUE})")
    private double maxGradNorm;

    @Option(names = "--epochs", defaultValue = "1", paramLabel = "N", description = "passes over the data (default: ${DEFAULT-VALUE})")
    private int epochs;

    @Option(names = "--max-steps", defaultValue = "0", paramLabel = "N", description = "stop after N optimizer steps, 0 = by epochs alone (default)")
    private long maxSteps;

    @Option(names = "--batch-tokens", defaultValue = "8192", paramLabel = "N", description = "real tokens of an optimizer step (default: ${DEFAULT-VALUE})")
    private int batchTokens;

    @Option(names = "--micro-batch-tokens", defaultValue = "2048", paramLabel = "N",
        description = "positions, padding included, that go through the model at once; memory grows with it (default: ${DEFAULT-VALUE})")
    private int microBatchTokens;

    @Option(names = "--eval-pairs", defaultValue = "32", paramLabel = "N",
        description = "pairs that the loss before and after is measured on; held out of training where they are at most a tenth of the data "
            + "(default: ${DEFAULT-VALUE})")
    private int evalPairs;

    @Option(names = "--packing", description = "put several sequences into one row; attention stays within each")
    private boolean packing;

    @Option(names = "--lora-plus-ratio", defaultValue = "1", paramLabel = "X",
        description = "learning rate of lora_B over that of lora_A (LoRA+; default: ${DEFAULT-VALUE})")
    private double loraPlusRatio;

    @Option(names = "--decay-vectors", description = "weight decay pulls norms and other vectors too")
    private boolean decayVectors;

    @Option(names = "--ema-decay", defaultValue = "0", paramLabel = "D",
        description = "end with an exponential moving average of the parameters, 0 = off (default)")
    private double emaDecay;

    @Option(names = "--optimizer-8bit",
        description = "keep AdamW's moments in 8 bits by blocks: a quarter of the memory of its state, not the same numbers")
    private boolean optimizer8bit;

    @Option(names = "--master", defaultValue = "f32", paramLabel = "f32|bf16",
        description = "what --method full changes of a model in bf16: f32 copies of its parameters, or the parameters themselves with a bf16 remainder "
            + "each, in half the memory of the copies (default: ${DEFAULT-VALUE})")
    private String master;

    @Option(names = "--eval-every", defaultValue = "0", paramLabel = "N",
        description = "steps between evaluations on the evaluation pairs, 0 = before and after alone (default)")
    private long evalEvery;

    @Option(names = "--patience", defaultValue = "0", paramLabel = "N",
        description = "stop after N evaluations in a row without a lower loss, 0 = never (default)")
    private int patience;

    @Option(names = "--keep-best", description = "end with the parameters of the lowest evaluation loss, not with the last ones")
    private boolean keepBest;

    @Option(names = "--checkpoint-every", defaultValue = "100", paramLabel = "N",
        description = "steps between checkpoints in OUT.partial, 0 = at the end and when stopped alone (default: ${DEFAULT-VALUE})")
    private long checkpointEvery;

    @Option(names = "--keep-checkpoints", defaultValue = "2", paramLabel = "N", description = "checkpoints that stand at once (default: ${DEFAULT-VALUE})")
    private int keepCheckpoints;

    @Option(names = "--recompute", defaultValue = "off", paramLabel = "off|selective|full|N|auto",
        description = "what the backward computes again to save memory: nothing; of every layer the norms and activations, but no product; "
            + "every layer; the lowest N layers; or the cheapest mix that fits into --memory-gib (default: ${DEFAULT-VALUE})")
    private String recompute;

    @Option(names = "--memory-gib", defaultValue = "0", paramLabel = "G", description = "memory that a step may take, for --recompute auto")
    private double memoryGib;

    @Option(names = "--graphs", defaultValue = "auto", paramLabel = "auto|on|off",
        description = "launch passes of a shape that comes again, and the optimizer, as recorded graphs, with the same bits: where the backend records, "
            + "always, or never (default: ${DEFAULT-VALUE})")
    private Graphs graphs;

    @Option(names = "--peak-tflops", defaultValue = "0", paramLabel = "T",
        description = "what the device can do at most, for the model-FLOP utilisation (default: measured by a large product before the first step)")
    private double peakTflops;

    /** What the device can do at most; null = to be measured. */
    @Nullable MatmulPeak peak() {
        if (!(peakTflops >= 0) || Double.isInfinite(peakTflops)) {
            throw new InputException("--peak-tflops is " + peakTflops + ", expected a positive number");
        }
        return peakTflops == 0 ? null : MatmulPeak.given(peakTflops * 1e12);
    }

    Recompute recompute() {
        if (memoryGib != 0 && !recompute.equals("auto")) {
            throw new InputException("--memory-gib is used by --recompute auto alone, and --recompute is '" + recompute + "'");
        }
        return switch (recompute) {
            case "off" -> Recompute.off();
            case "selective" -> Recompute.selective();
            case "full" -> Recompute.full();
            case "auto" -> {
                if (!(memoryGib > 0)) {
                    throw new InputException("--recompute auto needs the memory that a step may take: add --memory-gib G");
                }
                yield Recompute.within((long) (memoryGib * (1L << 30)));
            }
            default -> {
                if (!recompute.matches("[0-9]{1,6}")) {
                    throw new InputException("--recompute is '" + recompute + "', expected off, selective, full, auto or a number of layers");
                }
                yield Recompute.lowest(Integer.parseInt(recompute));
            }
        };
    }

    int microBatchTokens() {
        return microBatchTokens;
    }

    AlignOptions options(long seed) {
        Set<Projection> projections = new LinkedHashSet<>();
        targets.forEach(name -> projections.add(Projection.parse(name.strip())));
        if (alpha < 0) {
            throw new InputException("--alpha is " + alpha + ", expected a positive number");
        }
        AdamwOptions optimizer;
        try {
            optimizer = new AdamwOptions(lr, 0.9, 0.999, 1e-8, weightDecay);
        } catch (IllegalArgumentException e) {
            throw new InputException(e.getMessage(), e);
        }
        if (!master.matches("f32|bf16")) {
            throw new InputException("--master is '" + master + "', expected f32 or bf16");
        }
        if (!reference.matches("cached|live")) {
            throw new InputException("--reference is '" + reference + "', expected cached or live");
        }
        return new AlignOptions(method, objective, constraint, penalty, fill, projections, r, alpha == 0 ? r : alpha, beta, evalPairs,
            new TrainingOptions(epochs, maxSteps, batchTokens, microBatchTokens, optimizer, maxGradNorm, schedule, warmup, seed, packing, recompute(),
                new OptimizerOptions(loraPlusRatio, decayVectors, emaDecay, optimizer8bit, master.equals("bf16")), new EvaluationOptions(evalEvery, patience, keepBest),
                new CheckpointOptions(checkpointEvery, keepCheckpoints), graphs), new AdapterOptions(rsLora, rankPattern, alphaPattern, init, dora),
            reference.equals("live"));
    }
}
