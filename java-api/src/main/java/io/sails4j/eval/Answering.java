package io.sails4j.eval;

import com.fasterxml.jackson.databind.JsonNode;
import io.sails4j.config.ModelConfig;
import io.sails4j.data.Progress;
import io.sails4j.data.TokenPrompt;
import io.sails4j.model.BatchGenerator;
import io.sails4j.model.BatchOptions;
import io.sails4j.model.GenerationOptions;
import io.sails4j.model.StreamEdit;
import io.sails4j.monitor.Monitor;
import io.sails4j.monitor.MonitoredSequence;
import io.sails4j.train.StoppedException;
import java.util.Arrays;
import java.util.List;
import java.util.function.BooleanSupplier;
import java.util.function.Consumer;
import java.util.function.IntPredicate;
import java.util.stream.IntStream;
import org.jspecify.annotations.Nullable;

/** Answers the prompts of an evaluation by one arm. */
final class Answering {
    private final OpenArm arm;
    private final ModelConfig config;
    private final EvalOptions options;
    private final @Nullable StreamEdit edit;
    private final @Nullable Monitor monitor;
    private final BooleanSupplier stop;

    Answering(OpenArm arm, EvalOptions options, @Nullable StreamEdit edit, @Nullable Monitor monitor, BooleanSupplier stop) {
        this.edit = edit;
        this.monitor = monitor;
        this.arm = arm;
        this.config = arm.session().model().config();
        this.options = options;
        this.stop = stop;
    }

    /**
     * Gives out answers as they end.
     *
     * @param questions of the prompts, in their order
     * @param done which prompts have an answer already
     */
    void run(List<EvalPrompt> prompts, List<Question> questions, IntPredicate done, Consumer<Answer> listener, Progress progress) {
        generate(prompts, questions, done, (result, text) -> listener.accept(new Answer(arm.number(), (int) result.request().number(), text,
            result.newIds().length, result.stopped(), questions.get((int) result.request().number()).note(), events(result))), progress);
    }

    /** Takes what was generated as it ends. */
    @FunctionalInterface
    interface Sink {
        /** @param text of the answer with what was given of it, without control tokens */
        void accept(BatchGenerator.Result result, String text);
    }

    /** The same with the tokens; an answer has the number of its prompt. */
    void generate(List<EvalPrompt> prompts, List<Question> questions, IntPredicate done, Sink sink, Progress progress) {
        for (int i = 0; i < questions.size(); i++) {
            TokenPrompt.requireRoom(questions.get(i).ids().length, options.answers().maxNewTokens(), config, prompts.get(i).origin());
        }
        try (BatchGenerator generator = new BatchGenerator(arm.session(), arm.adapters(), generation(), batch(questions), edit, monitor)) {
            run(generator, questions, done, sink, progress);
        }
    }

    private void run(BatchGenerator generator, List<Question> questions, IntPredicate done, Sink sink, Progress progress) {
        long answered = 0;
        long tokens = 0;
        int next = 0;
        while (true) {
            while (next < questions.size() && done.test(next)) {
                next++;
                answered++;
            }
            if (next < questions.size() && generator.hasRoom()) {
                generator.add(request(next, questions.get(next)));
                next++;
                continue;
            }
            if (generator.idle()) {
                return;
            }
            if (stop.getAsBoolean()) {
                throw new StoppedException("stopped after " + answered + " of " + questions.size() + " answers of " + arm.name()
                    + "; the same run with resume=true goes on");
            }
            for (BatchGenerator.Result result : generator.step()) {
                answered++;
                tokens += result.newIds().length;
                sink.accept(result, text(questions.get((int) result.request().number()), result));
            }
            progress.update(answered, questions.size(), tokens);
        }
    }

    /** What the question gives of the answer is the answer's to the monitor too. */
    private BatchGenerator.Request request(int number, Question question) {
        return new BatchGenerator.Request(number, question.ids(),
            monitor == null ? null : monitor.begin(question.ids().length - question.given(), null));
    }

    private static @Nullable List<JsonNode> events(BatchGenerator.Result result) {
        return result.request().listener() instanceof MonitoredSequence watched
            ? watched.events().stream().<JsonNode>map(event -> event.json().put("sentence", event.sentence())).toList() : null;
    }

    /** What the question gave of the answer is part of it. */
    private String text(Question question, BatchGenerator.Result result) {
        int[] given = Arrays.copyOfRange(question.ids(), question.ids().length - question.given(), question.ids().length);
        return arm.tokenizer().decode(IntStream.concat(Arrays.stream(given), Arrays.stream(result.newIds())).toArray(), true);
    }

    private GenerationOptions generation() {
        AnswerOptions a = options.answers();
        return new GenerationOptions(a.maxNewTokens(), a.temperature(), a.topK(), a.topP(), options.seed(), arm.stops());
    }

    private BatchOptions batch(List<Question> questions) {
        int longest = questions.stream().mapToInt(question -> question.ids().length).max().orElse(1) + options.answers().maxNewTokens();
        return BatchOptions.of(options.batch(), options.rowsOn(arm.session().model().engine().backend()), longest,
            config.maxPositionEmbeddings());
    }
}
