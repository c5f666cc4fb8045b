package io.sails4j.utility;

import io.sails4j.InputException;
import io.sails4j.model.AdapterStack;
import io.sails4j.model.ForwardOptions;
import io.sails4j.model.ForwardPass;
import io.sails4j.model.ModelSession;
import io.sails4j.model.TokenBatch;
import io.sails4j.stats.LogSumExp;
import java.util.Arrays;
import java.util.List;
import java.util.stream.IntStream;

/**
 * KL(base || other) of next-token distributions, in nats: sum_v p(v) (ln p(v) - ln q(v)), where p is the base model's. What a change did to
 * a model where it should have done nothing (Arditi et al., arXiv:2406.11717, on harmless prompts; Qi et al., arXiv:2406.05946, token by
 * token of an answer). Logits are made in pieces of at most 64 MiB, the sums in double.
 */
public final class Divergence {
    private static final long PIECE_BYTES = 64L << 20;

    private final ModelSession base;
    private final AdapterStack baseAdapters;
    private final ModelSession other;
    private final AdapterStack otherAdapters;
    private final long pieceBytes;

    /**
     * From a model with adapters to another, each in a session of its own.
     *
     * @throws InputException where their vocabularies are of different sizes
     */
    public Divergence(ModelSession base, AdapterStack baseAdapters, ModelSession other, AdapterStack otherAdapters) {
        this(base, baseAdapters, other, otherAdapters, PIECE_BYTES);
    }

    Divergence(ModelSession base, AdapterStack baseAdapters, ModelSession other, AdapterStack otherAdapters, long pieceBytes) {
        this.pieceBytes = pieceBytes;
        this.base = base;
        this.baseAdapters = baseAdapters;
        this.other = other;
        this.otherAdapters = otherAdapters;
        if (base == other) {
            throw new IllegalArgumentException("one session for both sides, expected two");
        }
        if (vocab(base) != vocab(other)) {
            throw new InputException("the base model has " + vocab(base) + " tokens and the other " + vocab(other)
                + ": a divergence needs models of one tokenizer");
        }
    }

    private static int vocab(ModelSession session) {
        return Math.toIntExact(session.model().config().vocabSize());
    }

    /**
     * What both models say of a token that is next.
     *
     * @param divergence KL(base || other) in nats
     * @param baseLoss -ln p(token) of the base model
     * @param otherLoss the same of the other
     */
    public record Place(double divergence, double baseLoss, double otherLoss) {
    }

    /** At each place where ids[i] is next, for i from {@code from}, which is 1 or more, to the end. */
    public double[] of(int[] ids, int from) {
        return places(ids, from).stream().mapToDouble(Place::divergence).toArray();
    }

    /** The same places with the losses of both models. */
    public List<Place> places(int[] ids, int from) {
        TokenBatch read = TokenBatch.of(Arrays.copyOf(ids, ids.length - 1));
        int rows = ids.length - from;
        Place[] found = new Place[rows];
        int most = (int) Math.max(1, pieceBytes / (4L * vocab(base)));
        try (ForwardPass ofBase = base.forward(read, baseAdapters, ForwardOptions.inference());
             ForwardPass ofOther = other.forward(read, otherAdapters, ForwardOptions.inference())) {
            for (int done = 0; done < rows; done += most) {
                int begin = done;
                int count = Math.min(most, rows - done);
                int[] places = IntStream.range(from - 1 + done, from - 1 + done + count).toArray();
                float[] p = logits(base, ofBase, places);
                float[] q = logits(other, ofOther, places);
                IntStream.range(0, count).parallel()
                    .forEach(row -> found[begin + row] = place(p, q, row * vocab(base), vocab(base), ids[from + begin + row]));
            }
        }
        return List.of(found);
    }

    private static float[] logits(ModelSession session, ForwardPass pass, int[] places) {
        Runnable release = session.memoryMark();
        try {
            return session.logits(pass, places).toFloatArray();
        } finally {
            release.run();
        }
    }

    private static Place place(float[] p, float[] q, int at, int n, int next) {
        double logP = LogSumExp.of(p, at, n);
        double logQ = LogSumExp.of(q, at, n);
        return new Place(between(p, logP, q, logQ, at, n), logP - p[at + next], logQ - q[at + next]);
    }

    /** Of two distributions by their logits, the {@code n} from {@code at} on. */
    public static double between(float[] p, float[] q, int at, int n) {
        return between(p, LogSumExp.of(p, at, n), q, LogSumExp.of(q, at, n), at, n);
    }

    private static double between(float[] p, double logP, float[] q, double logQ, int at, int n) {
        double sum = 0;
        for (int v = at; v < at + n; v++) {
            double lnP = p[v] - logP;
            sum += Math.exp(lnP) * (lnP - (q[v] - logQ));
        }
        // Of two distributions that are almost the same, rounding may leave less than nothing.
        return Math.max(0, sum);
    }
}
