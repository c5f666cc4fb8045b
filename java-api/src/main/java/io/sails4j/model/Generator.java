package io.sails4j.model;

import io.sails4j.io.InputException;
import io.sails4j.tensor.DType;
import io.sails4j.tensor.Tensor;
import io.sails4j.tensor.TensorArena;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.SplittableRandom;
import org.jspecify.annotations.Nullable;

/** Generates text token by token with a key/value cache. */
public final class Generator {
    private final CausalModel model;
    private final AdapterStack adapters;

    public Generator(CausalModel model, AdapterStack adapters) {
        this.model = model;
        this.adapters = adapters;
    }

    /** Sees each step of a generation. */
    @FunctionalInterface
    public interface StepListener {
        /**
         * @param ids the token chosen for each sequence, -1 for one that has ended
         * @param logits [batch, vocab_size] F32, valid during the call
         */
        void accept(int[] ids, Tensor logits);
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
        int batch = prompts.size();
        int longest = prompts.stream().mapToInt(p -> p.length).max().orElse(0);
        checkLengths(prompts, longest, options);
        List<List<Integer>> results = new ArrayList<>();
        prompts.forEach(p -> results.add(new ArrayList<>()));
        boolean[] ended = new boolean[batch];
        try (KvCache cache = new KvCache(model, batch, longest + options.maxNewTokens()); TensorArena memory = new TensorArena(model.engine().device())) {
            TokenBatch next = leftPadded(prompts, longest);
            for (int step = 0; step < options.maxNewTokens(); step++) {
                int[] ids = step(next, cache, memory, options, step, ended, listener);
                boolean allEnded = true;
                for (int b = 0; b < batch; b++) {
                    if (!ended[b]) {
                        results.get(b).add(ids[b]);
                        ended[b] = options.stopIds().contains(ids[b]);
                        allEnded &= ended[b];
                    }
                }
                if (allEnded) {
                    break;
                }
                next = single(prompts, ids, step);
            }
        }
        return results.stream().map(r -> r.stream().mapToInt(Integer::intValue).toArray()).toList();
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

    private int[] step(TokenBatch tokens, KvCache cache, TensorArena memory, GenerationOptions options, int step, boolean[] ended,
                       @Nullable StepListener listener) {
        int batch = tokens.batch();
        int[] lastRows = new int[batch];
        Arrays.setAll(lastRows, b -> (b + 1) * tokens.length() - 1);
        try (ForwardPass pass = model.forward(tokens, adapters, ForwardOptions.inference(), cache)) {
            Tensor logits = model.logits(pass, lastRows);
            memory.reset();
            Tensor chosen = memory.allocate(DType.I32, batch);
            Tensor uniform = memory.of(uniforms(batch, options.seed(), step), batch);
            model.engine().ops().sample(chosen, logits, uniform, (float) options.temperature(), options.topK(), (float) options.topP());
            int[] ids = chosen.toIntArray();
            if (listener != null) {
                int[] shown = ids.clone();
                for (int b = 0; b < batch; b++) {
                    shown[b] = ended[b] ? -1 : ids[b];
                }
                listener.accept(shown, logits);
            }
            return ids;
        }
    }

    private static float[] uniforms(int batch, long seed, int step) {
        float[] uniforms = new float[batch];
        for (int b = 0; b < batch; b++) {
            // 24 bits: the largest float below 1 is representable, 1 is not reached.
            uniforms[b] = (new SplittableRandom(seed * 0x9E3779B97F4A7C15L + b * 0xD1B54A32D192ED03L + step).nextInt() >>> 8) * 0x1p-24f;
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

    /** One token for each sequence, at the position after its prompt and the tokens so far. */
    private static TokenBatch single(List<int[]> prompts, int[] ids, int step) {
        int[] mask = new int[ids.length];
        int[] positions = new int[ids.length];
        Arrays.fill(mask, 1);
        Arrays.setAll(positions, b -> prompts.get(b).length + step);
        return new TokenBatch(ids.length, 1, ids, mask, positions);
    }
}
