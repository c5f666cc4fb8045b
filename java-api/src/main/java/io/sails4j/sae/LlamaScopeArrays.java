package io.sails4j.sae;

import io.sails4j.InputException;
import io.sails4j.io.SafetensorsFile;
import io.sails4j.tensor.HostTensor;
import io.sails4j.tensor.Shape;
import java.lang.foreign.Arena;
import java.util.Arrays;
import java.util.Locale;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;
import java.util.TreeSet;
import org.jspecify.annotations.Nullable;

/**
 * Llama Scope's arrays in the form that {@link Sae} computes with: transposed, and with everything folded in that its own code applies at
 * run time. With s = sqrt(d_model) / dataset_average_activation_norm and n[i] the norm of feature i's decoder column
 * (OpenMOSS/Language-Model-SAEs src/lm_saes/sae.py):
 * <pre>
 *   hidden_pre = (x s_in) encoder.weight^T + encoder.bias                       compute_norm_factor, encode
 *   acts = act(hidden_pre n), decoder column / n                                transform_to_unit_decoder_norm
 *   x^ = (acts decoder.weight^T / n + decoder.bias) / s_out
 * </pre>
 * The scalar jump_relu_threshold is in units of inputs that are not scaled, so it is multiplied by s_in (jbloomAus/SAELens
 * sae_lens/loading/pretrained_sae_loaders.py, get_llama_scope_config_from_hf); thresholds among the weights are logarithms in units of
 * hidden_pre n (llama_scope_r1_distill_sae_huggingface_loader). SAELens leaves n out, which is the same where decoder columns have norm 1.
 */
final class LlamaScopeArrays {
    private static final Set<String> LOG_THRESHOLDS = Set.of("log_jumprelu_threshold", "activation_function.log_jumprelu_threshold");
    private static final String NORM = "dataset_average_activation_norm.";

    private final SafetensorsFile file;
    private final LlamaScopeConfig config;
    private final ArenaArrays memory;
    private final int dIn;
    private final int dSae;

    private LlamaScopeArrays(SafetensorsFile file, LlamaScopeConfig config, Arena arena) {
        this.file = file;
        this.config = config;
        this.memory = new ArenaArrays(arena);
        this.dIn = (int) config.dIn();
        this.dSae = (int) config.dSae();
    }

    /** The arrays by {@link SaeFiles}' names, in memory of the arena. */
    static Map<String, HostTensor> read(SafetensorsFile file, LlamaScopeConfig config, Arena arena) {
        return new LlamaScopeArrays(file, config, arena).read();
    }

    private Map<String, HostTensor> read() {
        HostTensor encoder = require("encoder.weight", Shape.of(dSae, dIn));
        HostTensor decoder = require("decoder.weight", Shape.of(dIn, dSae));
        float[] encoderBias = require("encoder.bias", Shape.of(dSae)).toFloatArray();
        float[] decoderBias = config.decoderBias() ? require("decoder.bias", Shape.of(dIn)).toFloatArray() : new float[dIn];
        @Nullable
        String logThreshold = requireNothingElse();
        double scaleIn = scale(config.normIn());
        double scaleOut = scale(config.normOut() == null ? config.normIn() : config.normOut());
        if (config.applyDecoderBias() && scaleIn != scaleOut) {
            throw new InputException(
                file.path() + ": the decoder's bias goes into the encoder, but input and output are scaled differently; "
                    + "such an SAE is not supported");
        }
        double[] norms = config.includeDecoderNorm() ? columnNorms(decoder) : ArenaArrays.ones(dSae);
        Map<String, HostTensor> arrays = new TreeMap<>();
        double[] encoderScales = Arrays.stream(norms).map(n -> n * scaleIn).toArray();
        double[] decoderScales = Arrays.stream(norms).map(n -> 1 / (n == 0 ? 1 : n) / scaleOut).toArray();
        arrays.put("W_enc", memory.transposed(encoder, encoderScales, true));
        arrays.put("W_dec", memory.transposed(decoder, decoderScales, false));
        arrays.put("b_enc", memory.vector(dSae, i -> encoderBias[i] * norms[i]));
        arrays.put("b_dec", memory.vector(dIn, i -> decoderBias[i] / scaleOut));
        if (config.architecture() == SaeConfig.Architecture.JUMPRELU) {
            arrays.put("threshold", threshold(logThreshold, scaleIn));
        }
        return arrays;
    }

    private HostTensor threshold(@Nullable String logThreshold, double scaleIn) {
        if (logThreshold != null) {
            float[] logarithms = require(logThreshold, Shape.of(dSae)).toFloatArray();
            return memory.vector(dSae, i -> Math.exp(logarithms[i]));
        }
        Double threshold = config.jumpReluThreshold();
        if (threshold == null) {
            throw new InputException(
                file.path() + " has no thresholds and hyperparams.json no jump_relu_threshold; a jumprelu SAE needs one of them");
        }
        return memory.vector(dSae, i -> threshold * scaleIn);
    }

    /** The name of the thresholds among the arrays, null if there are none; an array of any other meaning is refused. */
    private @Nullable String requireNothingElse() {
        Set<String> others = new TreeSet<>(file.names());
        others.removeAll(Set.of("encoder.weight", "encoder.bias", "decoder.weight"));
        if (config.decoderBias()) {
            others.remove("decoder.bias");
        }
        others.removeIf(name -> name.startsWith(NORM));
        @Nullable
        String found = null;
        if (config.architecture() == SaeConfig.Architecture.JUMPRELU) {
            found = others.stream().filter(LOG_THRESHOLDS::contains).findFirst().orElse(null);
            others.remove(found == null ? "" : found);
        }
        if (!others.isEmpty()) {
            throw new InputException(file.path() + " has the array '" + others.iterator().next() + "', which a Llama Scope SAE of act_fn "
                + config.architecture().name().toLowerCase(Locale.ROOT) + " does not use");
        }
        return found;
    }

    private double scale(@Nullable Double fromConfig) {
        if (!config.dataset()) {
            return 1;
        }
        double norm = fromConfig != null ? fromConfig : normOfHook();
        return Math.sqrt(dIn) / norm;
    }

    /** Where hyperparams.json does not tell, the weights do. */
    private double normOfHook() {
        String name = NORM + config.hook().name();
        if (!file.contains(name)) {
            throw new InputException(file.path() + ": hyperparams.json has no dataset_average_activation_norm and the weights no '" + name
                + "'; norm_activation 'dataset-wise' needs it");
        }
        float[] value = file.tensor(name).toFloatArray();
        if (value.length != 1 || !(value[0] > 0) || Float.isInfinite(value[0])) {
            throw new InputException(file.path() + ": '" + name + "' is " + Arrays.toString(value) + ", expected one positive number");
        }
        return value[0];
    }

    private HostTensor require(String name, Shape shape) {
        return new ArrayFile(file, "Llama Scope").require(name, shape);
    }

    private double[] columnNorms(HostTensor decoder) {
        double[] squares = new double[dSae];
        for (int j = 0; j < dIn; j++) {
            float[] row = ArenaArrays.row(decoder, j);
            for (int i = 0; i < dSae; i++) {
                squares[i] += (double) row[i] * row[i];
            }
        }
        return Arrays.stream(squares).map(Math::sqrt).toArray();
    }
}
