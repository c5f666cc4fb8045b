package io.sails4j.demo;

import io.sails4j.data.Progress;
import io.sails4j.data.TokenSequence;
import io.sails4j.loop.StepHook;
import io.sails4j.loop.TrainingLoop;
import io.sails4j.model.CausalModel;
import io.sails4j.objective.SftLoss;
import io.sails4j.ops.AdamwOptions;
import io.sails4j.train.LrSchedule;
import io.sails4j.train.ScheduleOptions;
import io.sails4j.train.TrainingOptions;
import io.sails4j.trainable.FullTrainable;
import java.util.Arrays;
import java.util.List;

/** All weights of a model that is made from nothing, trained on whole conversations: every token counts. */
public final class Pretraining {
    private static final int MOST_EPOCHS = 100;

    private Pretraining() {
    }

    /**
     * Trains the model in place.
     *
     * @param steps of {@code batchTokens} tokens each
     */
    public static void run(CausalModel model, List<TokenSequence> sequences, int steps, int batchTokens, double lr, long seed,
        Progress progress) {
        List<TokenSequence> whole = sequences.stream().map(Pretraining::allCounted).toList();
        TrainingOptions options = TrainingOptions.defaults().withBatching(b -> {
            b.epochs = MOST_EPOCHS;
            b.maxSteps = steps;
            b.batchTokens = batchTokens;
        }).withAdamw(_ -> new AdamwOptions(lr, 0.9, 0.95, 1e-8, 0)).with(t -> {
            t.schedule = new ScheduleOptions(LrSchedule.COSINE, 0.1);
            t.seed = seed;
        });
        try (FullTrainable trainable = new FullTrainable(model);
             TrainingLoop loop = new TrainingLoop(model, trainable, new SftLoss(whole), options, StepHook.none(), System::nanoTime)) {
            loop.run(step -> progress.update(step.step(), step.totalSteps(), step.totalTokens()));
        }
    }

    private static TokenSequence allCounted(TokenSequence sequence) {
        boolean[] counted = new boolean[sequence.length()];
        Arrays.fill(counted, true);
        return new TokenSequence(sequence.ids(), counted, sequence.origin());
    }
}
