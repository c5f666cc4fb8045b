package io.sails4j.attack;

import io.sails4j.eval.OpenArm;
import io.sails4j.model.ModelSession;
import io.sails4j.model.PrefixLosses;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.SplittableRandom;
import org.jspecify.annotations.Nullable;

/**
 * The search for one suffix: greedy coordinate gradient (Zou et al., arXiv:2307.15043, algorithm 1), for several prompts at once by the sum
 * of their gradients and losses (algorithm 2, with all prompts from the first step on). What a step does follows from the step before it
 * and the seed alone.
 */
final class GcgSearch implements AutoCloseable {
    /** Candidates that are drawn for each that is wanted: some do not survive, some are drawn twice. */
    private static final int DRAWN_FOR_EACH = 4;

    private final OpenArm arm;
    private final SuffixVocabulary vocabulary;
    private final List<SuffixPrompt> prompts;
    private final SearchOptions options;
    private final int rows;
    private final long seed;
    private final int group;
    private final SearchMeter meter;
    private @Nullable PrefixLosses kept;

    /**
     * @param prompts that share the suffix
     * @param rows candidates that are computed at a time
     * @param group number of the suffix, from which its random numbers follow
     * @param meter is told of all candidates
     */
    GcgSearch(OpenArm arm, SuffixVocabulary vocabulary, List<SuffixPrompt> prompts, SearchOptions options, int rows, long seed, int group,
        SearchMeter meter) {
        this.meter = meter;
        this.arm = arm;
        this.vocabulary = vocabulary;
        this.prompts = prompts;
        this.options = options;
        this.rows = Math.min(rows, options.candidates());
        this.seed = seed;
        this.group = group;
    }

    /**
     * Where a search stands.
     *
     * @param suffix after so many steps
     * @param text that the suffix is behind a request
     * @param loss the mean over the prompts
     */
    record State(int step, int[] suffix, String text, double loss) {
    }

    /** Before the first step. */
    State begin() {
        int[] first = prompts.getFirst().first();
        return state(0, first, losses(List.of(first))[0]);
    }

    /** One step more. */
    State next(State state) {
        List<int[]> candidates = candidates(state);
        if (candidates.isEmpty()) {
            return state(state.step() + 1, state.suffix(), state.loss());
        }
        double[] losses = losses(candidates);
        int best = 0;
        for (int i = 1; i < losses.length; i++) {
            best = losses[i] < losses[best] ? i : best;
        }
        boolean takesOver = options.proposals() == Proposals.GRADIENT || losses[best] < state.loss();
        return state(state.step() + 1, takesOver ? candidates.get(best) : state.suffix(), takesOver ? losses[best] : state.loss());
    }

    private State state(int step, int[] suffix, double loss) {
        return new State(step, suffix, prompts.getFirst().text(suffix), loss);
    }

    /** Different suffixes that differ from the current one at one place and survive being read, in the order in which they were drawn. */
    private List<int[]> candidates(State state) {
        int[] current = state.suffix();
        int[][] substitutions = options.proposals() == Proposals.GRADIENT ? substitutions(current) : new int[0][];
        SplittableRandom random = new SplittableRandom((seed * 0x9E3779B97F4A7C15L + group) * 0x9E3779B97F4A7C15L + state.step());
        LinkedHashMap<List<Integer>, int[]> found = new LinkedHashMap<>();
        for (int draw = 0; draw < DRAWN_FOR_EACH * options.candidates() && found.size() < options.candidates(); draw++) {
            int place = random.nextInt(current.length);
            int[] candidate = current.clone();
            candidate[place] = substitutions.length == 0 ? vocabulary.get(random.nextInt(vocabulary.size()))
                : substitutions[place][random.nextInt(substitutions[place].length)];
            if (candidate[place] != current[place] && prompts.stream().allMatch(prompt -> prompt.survives(candidate))) {
                found.putIfAbsent(Arrays.stream(candidate).boxed().toList(), candidate);
            }
        }
        return List.copyOf(found.values());
    }

    /** For each place the tokens with the best gradient, which is summed over the prompts, each with length 1 at a place. */
    private int[][] substitutions(int[] suffix) {
        ModelSession session = arm.session();
        int vocab = Math.toIntExact(session.model().config().vocabSize());
        float[] sum = new float[suffix.length * vocab];
        for (SuffixPrompt prompt : prompts) {
            float[] gradient = TokenGradient.of(session, arm.adapters(), prompt.whole(suffix), prompt.prefix().length, suffix.length);
            for (int place = 0; place < suffix.length; place++) {
                double squares = 0;
                for (int v = 0; v < vocab; v++) {
                    squares += (double) gradient[place * vocab + v] * gradient[place * vocab + v];
                }
                float scale = (float) (1 / Math.max(Math.sqrt(squares), Double.MIN_NORMAL));
                for (int i = place * vocab; i < (place + 1) * vocab; i++) {
                    sum[i] += scale * gradient[i];
                }
            }
        }
        int[][] substitutions = new int[suffix.length][];
        Arrays.setAll(substitutions, place -> vocabulary.lowest(sum, place * vocab, options.topTokens()));
        return substitutions;
    }

    /** Means over the prompts. */
    private double[] losses(List<int[]> suffixes) {
        double[] means = new double[suffixes.size()];
        for (SuffixPrompt prompt : prompts) {
            PrefixLosses behind = open(prompt);
            try {
                double[] losses = behind.losses(suffixes.stream().map(prompt::continuation).toList(), prompt.targets());
                for (int i = 0; i < means.length; i++) {
                    means[i] += losses[i] / prompts.size();
                }
            } finally {
                if (behind != kept) {
                    behind.close();
                }
            }
            meter.evaluated(suffixes.size(), (long) suffixes.size() * prompt.continuation(suffixes.getFirst()).length);
        }
        return means;
    }

    /** The prefix of a single prompt stays; those of many would take the memory of many. */
    private PrefixLosses open(SuffixPrompt prompt) {
        if (kept != null) {
            return kept;
        }
        PrefixLosses losses = new PrefixLosses(arm.session(), arm.adapters(), prompt.prefix(), rows,
            prompt.continuation(prompts.getFirst().first()).length);
        if (prompts.size() == 1) {
            kept = losses;
        }
        return losses;
    }

    @Override
    public void close() {
        if (kept != null) {
            kept.close();
            kept = null;
        }
    }
}
