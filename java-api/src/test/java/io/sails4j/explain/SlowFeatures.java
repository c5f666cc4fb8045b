package io.sails4j.explain;

import io.sails4j.data.TokenSequence;
import io.sails4j.model.AdapterStack;
import io.sails4j.model.CausalModel;
import io.sails4j.model.ForwardOptions;
import io.sails4j.model.ModelSession;
import io.sails4j.model.Site;
import io.sails4j.model.TokenBatch;
import io.sails4j.sae.SaeFixture;

/** Activations of a JumpReLU SAE by its definition, in double, a sequence at a time. */
final class SlowFeatures {
    private final CausalModel model;
    private final AdapterStack adapters;
    private final int layer;
    private final float[] wEnc;
    private final float[] bEnc;
    private final float[] bDec;
    private final float[] threshold;

    SlowFeatures(CausalModel model, AdapterStack adapters, int layer, SaeFixture sae) {
        this.model = model;
        this.adapters = adapters;
        this.layer = layer;
        this.wEnc = sae.array("W_enc");
        this.bEnc = sae.array("b_enc");
        this.bDec = sae.array("b_dec");
        this.threshold = sae.array("threshold");
    }

    /** [tokens][d_sae]: pre = (x - b_dec) W_enc + b_enc, and pre itself where it is above the threshold. */
    double[][] of(int[] ids) {
        float[][] stream = new float[1][];
        try (ModelSession session = ModelSession.open(model)) {
            session.forward(TokenBatch.of(ids), adapters, new ForwardOptions(false, layer, (site, at, value) -> {
                if (site == Site.LAYER && at == layer) {
                    stream[0] = value.toFloatArray();
                }
            })).close();
        }
        int d = bDec.length;
        int dSae = bEnc.length;
        double[][] features = new double[ids.length][dSae];
        for (int t = 0; t < ids.length; t++) {
            for (int f = 0; f < dSae; f++) {
                double pre = bEnc[f];
                for (int j = 0; j < d; j++) {
                    pre += ((double) stream[0][t * d + j] - bDec[j]) * wEnc[j * dSae + f];
                }
                features[t][f] = pre > threshold[f] ? pre : 0;
            }
        }
        return features;
    }

    /** The strongest counted token of a sequence for a feature; -1 where it is active on none. */
    static int peak(TokenSequence sequence, double[][] features, int feature) {
        int best = -1;
        for (int t = 0; t < features.length; t++) {
            if (sequence.counted()[t] && features[t][feature] > 0 && (best < 0 || features[t][feature] > features[best][feature])) {
                best = t;
            }
        }
        return best;
    }
}
