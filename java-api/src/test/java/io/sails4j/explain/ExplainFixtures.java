package io.sails4j.explain;

import io.sails4j.data.TokenPair;
import io.sails4j.sae.SaeFixture;
import io.sails4j.testing.TinyModel;
import java.nio.file.Path;
import java.util.List;
import java.util.Random;

/** What tests of explanations share. */
final class ExplainFixtures {
    private ExplainFixtures() {
    }

    /** A JumpReLU SAE for {@link TinyModel} whose thresholds are positive, as those of trained ones are. */
    static SaeFixture sae(int dSae, long seed) {
        Random random = new Random(seed);
        float[] threshold = new float[dSae];
        for (int f = 0; f < dSae; f++) {
            threshold[f] = 0.5f + random.nextFloat();
        }
        return new SaeFixture((int) TinyModel.CONFIG.dModel(), dSae, seed, "b_enc").with("\"architecture\": \"jumprelu\",")
            .with("\"apply_b_dec_to_input\": true,").with("threshold", threshold, dSae);
    }

    static Corpus corpus(List<TokenPair> pairs) {
        return new Corpus(new Source(Path.of("pairs.jsonl"), "0"), pairs);
    }
}
