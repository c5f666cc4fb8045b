package io.sails4j.objective;

import io.sails4j.data.TokenSequence;
import io.sails4j.model.AdapterStack;
import io.sails4j.model.BatchGenerator;
import io.sails4j.model.BatchOptions;
import io.sails4j.model.GenerationOptions;
import io.sails4j.model.ModelSession;
import io.sails4j.train.Grade;
import io.sails4j.train.PolicyTask;
import io.sails4j.train.SampledAnswer;
import io.sails4j.train.SamplingOptions;
import io.sails4j.train.TrainingException;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Iterator;
import java.util.List;
import java.util.Objects;
import java.util.function.BooleanSupplier;
import java.util.stream.IntStream;
import org.jspecify.annotations.Nullable;

/** Has prompts answered by the model as it is, several at a time, and the answers graded. */
final class Rollouts {
    private final PolicyTask task;
    private final SamplingOptions sampling;
    private final long seed;

    Rollouts(PolicyTask task, SamplingOptions sampling, long seed) {
        this.task = task;
        this.sampling = sampling;
        this.seed = seed;
    }

    /** Answers of the sampling's temperature; what one gets follows from the seed and its number. */
    GenerationOptions sampled() {
        return new GenerationOptions(sampling.maxNewTokens(), sampling.temperature(), 0, sampling.topP(), seed, task.stopIds());
    }

    /** The likeliest token each time. */
    GenerationOptions greedy() {
        return GenerationOptions.greedy(sampling.maxNewTokens(), task.stopIds());
    }

    /** Tokens that a prompt and its answer have at most. */
    int longest() {
        return task.longestPrompt() + sampling.maxNewTokens();
    }

    /**
     * Answers to some prompts, {@code each} of them to a prompt, those of a prompt behind one another.
     *
     * @param first number of the first answer
     * @return null where {@code stop} said so
     * @throws TrainingException where a reward is not a number
     */
    @Nullable
    List<PolicySample> draw(ModelSession session, AdapterStack adapters, GenerationOptions how, int[] prompts, int each, long first,
        BooleanSupplier stop) {
        int[] asked = Arrays.stream(prompts).flatMap(prompt -> IntStream.generate(() -> prompt).limit(each)).toArray();
        BatchGenerator.@Nullable Result[] results = new BatchGenerator.Result[asked.length];
        Iterator<BatchGenerator.Request> requests = IntStream.range(0, asked.length)
            .mapToObj(i -> new BatchGenerator.Request(first + i, task.prompts().get(asked[i]).ids())).iterator();
        try (BatchGenerator generator = new BatchGenerator(session, adapters, how, batch(session))) {
            while (requests.hasNext() || !generator.idle()) {
                if (stop.getAsBoolean()) {
                    return null;
                }
                while (requests.hasNext() && generator.hasRoom()) {
                    generator.add(requests.next());
                }
                generator.step().forEach(result -> results[(int) (result.request().number() - first)] = result);
            }
        }
        return graded(asked, Arrays.stream(results).map(Objects::requireNonNull).toList());
    }

    private BatchOptions batch(ModelSession session) {
        return BatchOptions.of(sampling.sequences(), sampling.rowsOn(session.model().engine().backend()), longest(),
            session.model().config().maxPositionEmbeddings());
    }

    private List<PolicySample> graded(int[] asked, List<BatchGenerator.Result> results) {
        List<SampledAnswer> answers = new ArrayList<>();
        for (int i = 0; i < asked.length; i++) {
            BatchGenerator.Result result = results.get(i);
            answers.add(new SampledAnswer(task.prompts().get(asked[i]), task.text().apply(result.newIds()), result.newIds().length,
                result.stopped()));
        }
        List<Grade> grades = task.reward().grade(answers);
        if (grades.size() != answers.size()) {
            throw new TrainingException("the reward '" + task.reward().name() + "' gave " + grades.size() + " grades for " + answers.size()
                + " answers, expected one for each");
        }
        List<PolicySample> samples = new ArrayList<>();
        for (int i = 0; i < asked.length; i++) {
            if (!Double.isFinite(grades.get(i).reward())) {
                throw new TrainingException("the reward '" + task.reward().name() + "' of an answer to " + answers.get(i).prompt().origin()
                    + " is " + grades.get(i).reward() + ", expected a finite number");
            }
            samples.add(PolicySample.graded(asked[i], TokenSequence.answered(answers.get(i).prompt().ids(), results.get(i).newIds(),
                answers.get(i).prompt().origin()),
                results.get(i).newIds().length, grades.get(i)));
        }
        return samples;
    }
}
