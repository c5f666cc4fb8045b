package io.sails4j.config;

/** How a model stretches RoPE's frequencies beyond the context that it was first trained on. */
public sealed interface RopeScaling {
    /** The frequency for one that plain RoPE has. */
    double scaled(double frequency);

    /**
     * theta^(-2j / head_dim) for j below head_dim / 2 (arXiv:2104.09864 section 3.4.3), scaled. In double: transformers computes them in
     * float.
     */
    default double[] invFreq(double theta, int headDim) {
        double[] frequencies = new double[headDim / 2];
        for (int j = 0; j < frequencies.length; j++) {
            frequencies[j] = scaled(Math.pow(theta, -2.0 * j / headDim));
        }
        return frequencies;
    }

    /** Plain RoPE. */
    record None() implements RopeScaling {
        @Override
        public double scaled(double frequency) {
            return frequency;
        }
    }

    /**
     * Llama-3.1: long wavelengths are stretched by a factor, short ones are kept, those between are blended
     * (huggingface/transformers src/transformers/modeling_rope_utils.py, _compute_llama3_parameters).
     */
    record Llama3(double factor, double lowFreqFactor, double highFreqFactor, double originalMaxPositionEmbeddings) implements RopeScaling {
        public Llama3 {
            if (!(factor >= 1 && lowFreqFactor > 0 && highFreqFactor > lowFreqFactor && originalMaxPositionEmbeddings > 0)) {
                throw new IllegalArgumentException(
                    "RoPE scaling with factor " + factor + ", low_freq_factor " + lowFreqFactor + ", high_freq_factor "
                        + highFreqFactor + ", original_max_position_embeddings " + originalMaxPositionEmbeddings
                        + ", expected a factor from 1 on and 0 < low_freq_factor < high_freq_factor");
            }
        }

        @Override
        public double scaled(double frequency) {
            double wavelength = 2 * Math.PI / frequency;
            if (wavelength < originalMaxPositionEmbeddings / highFreqFactor) {
                return frequency;
            }
            if (wavelength > originalMaxPositionEmbeddings / lowFreqFactor) {
                return frequency / factor;
            }
            double smooth = (originalMaxPositionEmbeddings / wavelength - lowFreqFactor) / (highFreqFactor - lowFreqFactor);
            return (1 - smooth) * frequency / factor + smooth * frequency;
        }
    }
}
