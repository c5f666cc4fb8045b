package io.sails4j.objective;

import io.sails4j.InputException;
import io.sails4j.data.Origin;
import io.sails4j.data.TokenSequence;
import io.sails4j.model.AdapterStack;
import io.sails4j.model.BatchTensors;
import io.sails4j.model.ForwardOptions;
import io.sails4j.model.ForwardPass;
import io.sails4j.model.Labels;
import io.sails4j.tensor.DType;
import io.sails4j.tensor.Tensor;
import io.sails4j.tensor.TensorArena;
import io.sails4j.trainable.Trainable;
import java.util.Arrays;
import java.util.List;
import java.util.function.DoubleSupplier;
import org.jspecify.annotations.Nullable;

/**
 * Supervised fine-tuning: the mean of -log p over all counted tokens of a step, not a mean of per-sequence means
 * (huggingface/transformers loss_utils.py, ForCausalLMLoss).
 */
public final class SftLoss implements Loss {
    private final List<TokenSequence> examples;

    public SftLoss(List<TokenSequence> examples) {
        this.examples = List.copyOf(examples);
        for (int i = 0; i < examples.size(); i++) {
            requireCounted(examples.get(i), "the answer", "example " + (i + 1));
        }
    }

    static void requireCounted(TokenSequence sequence, String what, String number) {
        if (sequence.predictedCount() == 0) {
            throw new InputException(what + " of " + (sequence.origin() == null ? number + " of the training data" : sequence.origin())
                + " has no counted token after its first, so there is nothing to learn from it;"
                + " remove it or allow longer sequences");
        }
    }

    @Override
    public int size() {
        return examples.size();
    }

    @Override
    public int[] lengths(int example) {
        return new int[] {examples.get(example).length()};
    }

    @Override
    public int[] predicted(int example) {
        return new int[] {examples.get(example).predictedCount()};
    }

    @Override
    public @Nullable Origin origin(int example) {
        return examples.get(example).origin();
    }

    @Override
    public double weight(int example) {
        return examples.get(example).predictedCount();
    }

    @Override
    public double sum(PassContext context, AdapterStack adapters, int[] chosen) {
        SequenceBatch batch = batch(chosen, context.packing());
        TensorArena.Mark mark = context.memory().mark();
        try (ForwardPass pass = context.session().forward(batch.tokens(), adapters, ForwardOptions.inference())) {
            float[] losses = new HeadPass(context, pass, batch).tokenLosses();
            return HeadPass.sum(losses, 0, losses.length);
        } finally {
            context.memory().release(mark);
        }
    }

    @Override
    public DoubleSupplier queueSumAndGradient(PassContext context, Trainable trainable, SequenceBatch batch, int[] chosen,
        double totalWeight,
        StepReadings readings) {
        int n = batch.targets().length;
        StepReadings.Reading losses = readings.add(DType.F32, n);
        TensorArena memory = context.memory();
        TensorArena.Mark mark = memory.mark();
        try (BatchTensors in = context.session().upload(batch.tokens())) {
            Tensor targets = memory.of(batch.targets(), n);
            Tensor weights = memory.of(Labels.weights(batch.targets(), (float) (1 / totalWeight)), n);
            Tensor tokenLoss = memory.allocate(DType.F32, n);
            context.run(StepGraphs.Pass.of(batch), trainable.adapters(), List.of(new StepGraphs.Segment(() -> {
                try (ForwardPass pass = context.session().forward(in, trainable.adapters(), context.training(trainable))) {
                    new HeadPass(context, pass, targets, tokenLoss).backward(trainable, weights);
                }
            }, false)));
            losses.tensor().copyFrom(tokenLoss);
        } finally {
            memory.release(mark);
        }
        return () -> {
            double sum = 0;
            for (int t = 0; t < batch.targets().length; t++) {
                sum += losses.value(t);
            }
            return sum;
        };
    }

    @Override
    public SequenceBatch batch(int[] chosen, boolean packing) {
        return SequenceBatch.of(Arrays.stream(chosen).mapToObj(examples::get).toList(), packing);
    }
}
