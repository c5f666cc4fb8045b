package io.sails4j.persistence;

import io.sails4j.model.ModelSession;
import io.sails4j.objective.Loss;
import io.sails4j.objective.PassContext;
import io.sails4j.objective.PolicyLoss;
import io.sails4j.objective.PreferenceLoss;
import io.sails4j.objective.SftLoss;
import io.sails4j.trainable.Trainable;
import java.util.List;
import java.util.stream.IntStream;

/** The objective on the evaluation pairs, whenever it is asked for. */
public final class Evaluator implements AutoCloseable {
    private final Trainable trainable;
    private final Loss loss;
    private final int microTokens;
    private final int[] all;
    private final PassContext context;

    /** @param session between whose uses by others the evaluations run */
    public Evaluator(ModelSession session, Trainable trainable, Loss loss, int microTokens, boolean packing) {
        this.trainable = trainable;
        this.loss = loss;
        this.microTokens = microTokens;
        this.all = IntStream.range(0, loss.size()).toArray();
        this.context = PassContext.of(session, packing);
    }

    /** Computes what the objective needs of the untrained model. */
    void prepare() {
        loss.prepare(context, all, microTokens);
    }

    Evaluation evaluate() {
        return switch (loss) {
            case SftLoss sft -> Evaluation.ofLoss(sft.mean(context, trainable.adapters(), all, microTokens));
            case PreferenceLoss dpo -> {
                List<PreferenceLoss.PairResult> pairs = dpo.evaluateAll(context, trainable.adapters(), all, microTokens);
                yield new Evaluation(pairs.stream().mapToDouble(PreferenceLoss.PairResult::loss).sum() / pairs.size(),
                    pairs.stream().mapToDouble(PreferenceLoss.PairResult::margin).average().orElse(Double.NaN),
                    pairs.stream().filter(p -> p.margin() > 0).count() / (double) pairs.size(), null);
            }
            case PolicyLoss policy -> Evaluation.ofAnswers(policy.evaluate(context, trainable.adapters()));
        };
    }

    @Override
    public void close() {
        context.close();
    }
}
