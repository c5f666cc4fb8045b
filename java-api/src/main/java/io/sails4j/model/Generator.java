package io.sails4j.model;

import io.sails4j.InputException;
import io.sails4j.tensor.Backend;
import io.sails4j.tensor.Tensor;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.function.Consumer;
import org.jspecify.annotations.Nullable;

/** Generates text token by token with a key/value cache. */
public final class Generator {
    /** Steps that are queued before the host looks at their tokens: at most so many are surplus when the last sequence has ended. */
    private static final int MOST_AHEAD = 16;

    private final ModelSession session;
    private final CausalModel model;
    private final AdapterStack adapters;
    private final @Nullable StreamEdit edit;

    /**
     * Generates by a session's model with adapters.
     *
     * @param session whose memory the reading of prompts takes, and whose thread generates
     */
    public Generator(ModelSession session, AdapterStack adapters) {
        this(session, adapters, null);
    }

    /** The same with an edit of the residual stream: of the prompt's tokens, and of each new one that is read. */
    public Generator(ModelSession session, AdapterStack adapters, @Nullable StreamEdit edit) {
        this.session = session;
        this.model = session.model();
        this.adapters = adapters;
        this.edit = edit;
    }

    /** Sees each step of a generation. */
    @FunctionalInterface
    public interface StepListener {
        /**
         * Called after each step, on the thread that generates.
         *
         * @param ids the token chosen for each sequence, -1 for one that has ended
         * @param logits [batch, vocab_size] F32, valid during the call
         */
        void accept(int[] ids, Tensor logits);

        /** Where not, several steps may be queued at a time and be told of one after another, with the logits of the last. */
        default boolean readsLogits() {
            return true;
        }

        /** For one that looks at the tokens alone. */
        static StepListener ofTokens(Consumer<int[]> tokens) {
            return new StepListener() {
                @Override
                public void accept(int[] ids, Tensor logits) {
                    tokens.accept(ids);
                }

                @Override
                public boolean readsLogits() {
                    return false;
                }
            };
        }
    }

    /** The new tokens after one prompt. */
    public int[] generate(int[] promptIds, GenerationOptions options, @Nullable StepListener listener) {
        return generate(List.of(promptIds), options, listener).getFirst();
    }

    /**
     * The new tokens after each prompt; prompts of different lengths are padded on the left. What a sequence gets does not depend on the
     * others: its random numbers come from the seed, its place in the list and the step.
     */
    public List<int[]> generate(List<int[]> prompts, GenerationOptions options, @Nullable StepListener listener) {
        int longest = prompts.stream().mapToInt(p -> p.length).max().orElse(0);
        checkLengths(prompts, longest, options);
        int[] lengths = prompts.stream().mapToInt(p -> p.length).toArray();
        Chosen chosen = new Chosen(prompts.size(), options, listener);
        if (prompts.isEmpty()) {
            return chosen.results();
        }
        try (SingleUse.Use _ = session.enter();
             KvCache cache = new KvCache(model.config(), model.computeDtype(), model.engine().device(), prompts.size(),
                 longest + options.maxNewTokens());
             DecodeSteps steps = new DecodeSteps(model, adapters, edit, cache, options, lengths, uniforms(prompts.size(), options))) {
            readPrompts(leftPadded(prompts, longest), cache, steps, chosen);
            int most = model.engine().backend() == Backend.CPU || listener != null && listener.readsLogits() ? 1 : MOST_AHEAD;
            int ahead = 1;
            for (int done = 1; done < options.maxNewTokens() && !chosen.allEnded(); done += ahead) {
                ahead = Math.min(done == 1 ? 1 : Math.min(2 * ahead, most), options.maxNewTokens() - done);
                steps.run(ahead);
                chosen.take(steps.chosen(done, ahead), steps.logits());
            }
        }
        return chosen.results();
    }

    /** The forward over the prompts, which fills the cache, and the first new tokens. */
    private void readPrompts(TokenBatch tokens, KvCache cache, DecodeSteps steps, Chosen chosen) {
        int[] lastRows = new int[tokens.batch()];
        Arrays.setAll(lastRows, b -> (b + 1) * tokens.length() - 1);
        try (ForwardPass pass = session.forward(tokens, adapters, ForwardOptions.inference().withEdit(edit), cache)) {
            Tensor logits = session.logits(pass, lastRows);
            steps.first(logits);
            chosen.take(steps.chosen(0, 1), logits);
        }
    }

    /** The tokens that each sequence has got, and whether it has ended. */
    private static final class Chosen {
        private final GenerationOptions options;
        private final @Nullable StepListener listener;
        private final List<List<Integer>> tokens = new ArrayList<>();
        private final boolean[] ended;

        Chosen(int batch, GenerationOptions options, @Nullable StepListener listener) {
            this.options = options;
            this.listener = listener;
            this.ended = new boolean[batch];
            for (int b = 0; b < batch; b++) {
                tokens.add(new ArrayList<>());
            }
        }

        /** Steps in their order, [steps, batch]. What comes after the step with which the last sequence ended was surplus. */
        void take(int[] ids, Tensor logits) {
            for (int at = 0; at < ids.length && !allEnded(); at += ended.length) {
                int[] shown = Arrays.copyOfRange(ids, at, at + ended.length);
                for (int b = 0; b < shown.length; b++) {
                    if (ended[b]) {
                        shown[b] = -1;
                    } else {
                        tokens.get(b).add(shown[b]);
                        ended[b] = options.stopIds().contains(shown[b]);
                    }
                }
                if (listener != null) {
                    listener.accept(shown, logits);
                }
            }
        }

        boolean allEnded() {
            for (boolean one : ended) {
                if (!one) {
                    return false;
                }
            }
            return true;
        }

        List<int[]> results() {
            return tokens.stream().map(r -> r.stream().mapToInt(Integer::intValue).toArray()).toList();
        }
    }

    private void checkLengths(List<int[]> prompts, int longest, GenerationOptions options) {
        if (prompts.stream().anyMatch(p -> p.length == 0)) {
            throw new InputException("a prompt has no tokens; it needs at least the BOS token");
        }
        int limit = model.config().maxPositionEmbeddings();
        if ((long) longest + options.maxNewTokens() > limit) {
            throw new InputException("a prompt of " + longest + " tokens and " + options.maxNewTokens()
                + " new ones exceed the model's max_position_embeddings of " + limit + "; shorten the prompt or ask for fewer tokens");
        }
    }

    /** [max_new_tokens, batch], empty where decoding is greedy. */
    private static float[] uniforms(int batch, GenerationOptions options) {
        float[] uniforms = new float[options.temperature() == 0 ? 0 : options.maxNewTokens() * batch];
        for (int i = 0; i < uniforms.length; i++) {
            uniforms[i] = CounterRandom.uniform(options.seed(), i % batch, i / batch);
        }
        return uniforms;
    }

    private TokenBatch leftPadded(List<int[]> prompts, int length) {
        int[] ids = new int[prompts.size() * length];
        int[] mask = new int[ids.length];
        Arrays.fill(ids, model.config().fillerId());
        for (int b = 0; b < prompts.size(); b++) {
            int[] prompt = prompts.get(b);
            System.arraycopy(prompt, 0, ids, (b + 1) * length - prompt.length, prompt.length);
            Arrays.fill(mask, (b + 1) * length - prompt.length, (b + 1) * length, 1);
        }
        return TokenBatch.of(prompts.size(), length, ids, mask);
    }
}
