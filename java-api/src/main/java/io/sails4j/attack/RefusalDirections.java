package io.sails4j.attack;

import io.sails4j.InputException;
import io.sails4j.eval.EvalPrompt;
import io.sails4j.eval.OpenArm;
import io.sails4j.model.CausalModel;
import io.sails4j.model.ForwardOptions;
import io.sails4j.model.ForwardPass;
import io.sails4j.model.ModelSession;
import io.sails4j.model.Site;
import io.sails4j.model.StreamEdit;
import io.sails4j.model.TokenBatch;
import io.sails4j.stats.LogSumExp;
import io.sails4j.utility.Divergence;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.Set;
import java.util.function.Consumer;
import java.util.stream.Collectors;
import java.util.stream.IntStream;
import org.jspecify.annotations.Nullable;

/**
 * Directions of refusal (Arditi et al., arXiv:2406.11717): for each layer the mean of resid_post at the last token over harmful prompts,
 * minus that over harmless ones (section 2.3). Of every {@link #HELD_OUT} prompts one is held out and decides between the layers: as in the
 * paper's appendix C, the layer is taken that leaves the lowest log-odds of a refusal, of those in the first 80 % of the model that
 * move the first token on harmless prompts by at most 0.1 nats. Where none does, the one that moves it least. The paper also compares
 * token positions, and asks that the direction induces refusals when it is added; here neither.
 */
final class RefusalDirections {
    static final int HELD_OUT = 5;
    private static final double MOST_KL = 0.1;
    private static final double LOWER_PART = 0.8;

    private final OpenArm arm;
    private final CausalModel model;
    private final List<int[]> harmful;
    private final List<int[]> harmless;
    private final Set<Integer> refusals;
    private final Consumer<String> stopPoint;

    /** @param stopPoint is called before each pass over prompts, and may throw */
    RefusalDirections(OpenArm arm, List<EvalPrompt> harmful, List<EvalPrompt> harmless, AblateOptions options, Consumer<String> stopPoint) {
        this.arm = arm;
        this.model = arm.session().model();
        this.harmful = harmful.stream().map(arm::ids).toList();
        this.harmless = harmless.stream().map(arm::ids).toList();
        this.stopPoint = stopPoint;
        this.refusals = options.starts().stream().map(text -> arm.tokenizer().encodeText(text)[0]).collect(Collectors.toSet());
        if (options.layer() >= model.config().nLayers()) {
            throw new InputException("layer is " + options.layer() + ", expected -1 (the best one) or one of 0 to "
                + (model.config().nLayers() - 1) + " of " + arm.name());
        }
    }

    /** A direction of length 1 [d_model], and how it came about. */
    record Found(Direction how, float[] direction) {
    }

    Found find(int layer) {
        float[][] directions = directions();
        double before = logOdds(logits(part(harmful, true), null));
        if (layer != AblateOptions.CHOSEN) {
            return new Found(new Direction(arm.name(), layer, before, List.of()), required(directions[layer], layer));
        }
        List<float[]> plainHarmless = logits(part(harmless, true), null);
        List<Direction.Candidate> candidates = new ArrayList<>();
        for (int l = 0; l < Math.max(1, Math.floor(LOWER_PART * directions.length)); l++) {
            try (DirectionEdit edit = new DirectionEdit(model.engine(), required(directions[l], l))) {
                candidates.add(new Direction.Candidate(l, logOdds(logits(part(harmful, true), edit)),
                    kl(plainHarmless, logits(part(harmless, true), edit))));
            }
        }
        int best = candidates.stream().filter(candidate -> candidate.kl() <= MOST_KL)
            .min(Comparator.comparingDouble(Direction.Candidate::logOdds))
            .or(() -> candidates.stream().min(Comparator.comparingDouble(Direction.Candidate::kl))).orElseThrow().layer();
        return new Found(new Direction(arm.name(), best, before, candidates), directions[best]);
    }

    private float[] required(float[] direction, int layer) {
        if (Float.isNaN(direction[0])) {
            throw new InputException("behind layer " + layer + " of " + arm.name() + " harmful and harmless prompts end alike, so that "
                + "there is no direction between them; give other prompts");
        }
        return direction;
    }

    private static List<int[]> part(List<int[]> prompts, boolean heldOut) {
        return IntStream.range(0, prompts.size()).filter(i -> i % HELD_OUT == HELD_OUT - 1 == heldOut).mapToObj(prompts::get).toList();
    }

    /** By layer, of length 1. */
    private float[][] directions() {
        double[][] a = means(part(harmful, false));
        double[][] b = means(part(harmless, false));
        float[][] directions = new float[a.length][];
        for (int layer = 0; layer < a.length; layer++) {
            double squares = 0;
            for (int i = 0; i < a[layer].length; i++) {
                a[layer][i] -= b[layer][i];
                squares += a[layer][i] * a[layer][i];
            }
            directions[layer] = new float[a[layer].length];
            for (int i = 0; i < a[layer].length; i++) {
                directions[layer][i] = (float) (a[layer][i] / Math.sqrt(squares));
            }
        }
        return directions;
    }

    /** Of resid_post [n_layers, d_model] at the last token. */
    private double[][] means(List<int[]> prompts) {
        double[][] means = new double[model.config().nLayers()][Math.toIntExact(model.config().dModel())];
        for (int[] ids : prompts) {
            stopPoint.accept("measuring directions");
            ForwardOptions options = new ForwardOptions(false, -1, (site, layer, value) -> {
                if (site == Site.LAYER) {
                    float[] row = value.rows(ids.length - 1, 1).toFloatArray();
                    for (int i = 0; i < row.length; i++) {
                        means[layer][i] += (double) row[i] / prompts.size();
                    }
                }
            });
            arm.session().forward(TokenBatch.of(ids), arm.adapters(), options).close();
        }
        return means;
    }

    private List<float[]> logits(List<int[]> prompts, @Nullable StreamEdit edit) {
        return prompts.stream().map(ids -> logits(ids, edit)).toList();
    }

    /** Of the first token of the answer. */
    private float[] logits(int[] ids, @Nullable StreamEdit edit) {
        stopPoint.accept("choosing a layer");
        ModelSession session = arm.session();
        try (ForwardPass pass = session.forward(TokenBatch.of(ids), arm.adapters(), ForwardOptions.inference().withEdit(edit))) {
            return session.logits(pass, new int[] {ids.length - 1}).toFloatArray();
        }
    }

    /** The mean of log(p / (1 - p)), p what the first tokens of refusals have together. */
    private double logOdds(List<float[]> distributions) {
        return distributions.stream().mapToDouble(logits -> {
            double logSumExp = LogSumExp.of(logits);
            double refused = refusals.stream().mapToDouble(id -> Math.exp(logits[id] - logSumExp)).sum();
            double rest = IntStream.range(0, logits.length).filter(id -> !refusals.contains(id))
                .mapToDouble(id -> Math.exp(logits[id] - logSumExp)).sum();
            return Math.log(refused) - Math.log(rest);
        }).average().orElseThrow();
    }

    private static double kl(List<float[]> from, List<float[]> to) {
        return IntStream.range(0, from.size()).mapToDouble(i -> Divergence.between(from.get(i), to.get(i), 0, from.get(i).length))
            .average().orElseThrow();
    }
}
