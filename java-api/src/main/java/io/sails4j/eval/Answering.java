package io.sails4j.eval;

import io.sails4j.InputException;
import io.sails4j.data.ChatTemplate;
import io.sails4j.data.Message;
import io.sails4j.data.Progress;
import io.sails4j.data.StopTokens;
import io.sails4j.data.Tokenizer;
import io.sails4j.model.BatchGenerator;
import io.sails4j.model.BatchOptions;
import io.sails4j.model.CausalModel;
import io.sails4j.model.GenerationOptions;
import io.sails4j.train.StoppedException;
import java.util.ArrayList;
import java.util.List;
import java.util.Set;
import java.util.function.BooleanSupplier;
import java.util.function.Consumer;
import java.util.function.IntPredicate;

/** Answers the prompts of an evaluation by one arm. */
final class Answering {
    /** Room is given in steps, so that a prompt that is a token longer seldom changes it. */
    private static final int ROOM = 64;

    private final CausalModel model;
    private final EvalArm arm;
    private final int number;
    private final EvalOptions options;
    private final BooleanSupplier stop;

    /** @param number of the arm in the list of arms */
    Answering(CausalModel model, EvalArm arm, int number, EvalOptions options, BooleanSupplier stop) {
        this.model = model;
        this.arm = arm;
        this.number = number;
        this.options = options;
        this.stop = stop;
    }

    /** Takes what was generated as it ends. */
    @FunctionalInterface
    interface Sink {
        /** @param text of the new tokens, without control tokens */
        void accept(BatchGenerator.Result result, String text);
    }

    /**
     * Gives out answers as they end.
     *
     * @param done which prompts have an answer already
     */
    void run(List<EvalPrompt> prompts, IntPredicate done, Consumer<Answer> listener, Progress progress) {
        generate(prompts, done, (result, text) -> listener.accept(new Answer(number, (int) result.request().number(), text,
            result.newIds().length, result.stopped())), progress);
    }

    /** The same with the tokens; an answer has the number of its prompt. */
    void generate(List<EvalPrompt> prompts, IntPredicate done, Sink sink, Progress progress) {
        try (Tokenizer tokenizer = Tokenizer.load(arm.model()); OpenArm opened = new OpenArm(model, arm)) {
            ChatTemplate template = new ChatTemplate(tokenizer, options.answers().template());
            List<int[]> ids = tokens(prompts, template);
            GenerationOptions generation = generation(StopTokens.of(arm.model(), model.config(), template));
            try (BatchGenerator generator = new BatchGenerator(opened.session(), opened.stack(), generation, batch(ids))) {
                run(generator, tokenizer, ids, done, sink, progress);
            }
        }
    }

    private void run(BatchGenerator generator, Tokenizer tokenizer, List<int[]> ids, IntPredicate done, Sink sink,
        Progress progress) {
        long answered = 0;
        long tokens = 0;
        int next = 0;
        while (true) {
            while (next < ids.size() && done.test(next)) {
                next++;
                answered++;
            }
            if (next < ids.size() && generator.hasRoom()) {
                generator.add(new BatchGenerator.Request(next, ids.get(next)));
                next++;
                continue;
            }
            if (generator.idle()) {
                return;
            }
            if (stop.getAsBoolean()) {
                throw new StoppedException("stopped after " + answered + " of " + ids.size() + " answers of " + arm.name()
                    + "; the same run with resume=true goes on");
            }
            for (BatchGenerator.Result result : generator.step()) {
                answered++;
                tokens += result.newIds().length;
                sink.accept(result, tokenizer.decode(result.newIds(), true));
            }
            progress.update(answered, ids.size(), tokens);
        }
    }

    private List<int[]> tokens(List<EvalPrompt> prompts, ChatTemplate template) {
        String system = options.answers().system();
        List<int[]> ids = new ArrayList<>();
        for (EvalPrompt prompt : prompts) {
            List<Message> turns = new ArrayList<>(prompt.messages());
            if (!system.isEmpty() && !turns.getFirst().role().equals("system")) {
                turns.addFirst(new Message("system", system));
            }
            ids.add(fitting(template.prompt(turns), prompt));
        }
        return ids;
    }

    private int[] fitting(int[] ids, EvalPrompt prompt) {
        int fresh = options.answers().maxNewTokens();
        int most = model.config().maxPositionEmbeddings();
        if ((long) ids.length + fresh > most) {
            throw new InputException(prompt.origin() + " has a prompt of " + ids.length + " tokens, which with max_new_tokens=" + fresh
                + " exceeds the model's max_position_embeddings of " + most + "; leave the prompt out, or ask for fewer tokens");
        }
        return ids;
    }

    private GenerationOptions generation(Set<Integer> stops) {
        AnswerOptions a = options.answers();
        return new GenerationOptions(a.maxNewTokens(), a.temperature(), a.topK(), a.topP(), options.seed(), stops);
    }

    private BatchOptions batch(List<int[]> ids) {
        int longest = ids.stream().mapToInt(prompt -> prompt.length).max().orElse(1) + options.answers().maxNewTokens();
        int room = (longest + ROOM - 1) / ROOM * ROOM;
        int most = model.config().maxPositionEmbeddings();
        return new BatchOptions(options.batch(), options.rowsOn(model.engine().backend()), Math.min(room, most));
    }
}
