package io.sails4j.saetrain;

import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import io.sails4j.files.AtomicFiles;
import io.sails4j.io.SafetensorsWriter;
import io.sails4j.tensor.HostTensor;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.SequencedMap;
import org.jspecify.annotations.Nullable;

/**
 * Writes an autoencoder as SAELens does (sae_lens/saes/sae.py, save_model): {@code cfg.json} and {@code sae_weights.safetensors}.
 *
 * <p>It was trained on s x. All kinds give s f of s x' where they give f of x' with biases and thresholds by s, so that
 * <pre>
 *   b_enc / s, b_dec / s, threshold / s, b_gate / s, b_mag / s;   W_enc, W_dec, r_mag as they are
 * </pre>
 * reads and writes x itself, and decoder rows keep their length of 1. Rows of another length, which standard has, are folded into the
 * encoder: W_enc[:, i] |W_dec[i]|, b_enc[i] |W_dec[i]|, W_dec[i] / |W_dec[i]|.
 */
final class SaeLensWriter {
    private final SaeShape shape;
    private final int dIn;
    private final double scale;

    SaeLensWriter(SaeShape shape, int dIn, double scale) {
        this.shape = shape;
        this.dIn = dIn;
        this.scale = scale;
    }

    /**
     * @param norms of the decoder's rows
     * @param threshold of batchtopk
     */
    void write(Path directory, SaeParameters parameters, float[] norms, double threshold, int layer, @Nullable String modelName) {
        AtomicFiles.writeJson(directory.resolve("cfg.json"), configuration(layer, modelName));
        SafetensorsWriter.write(directory.resolve("sae_weights.safetensors"), arrays(parameters, norms, threshold), Map.of());
    }

    private ObjectNode configuration(int layer, @Nullable String modelName) {
        ObjectNode json = new ObjectMapper().createObjectNode();
        json.put("d_in", dIn).put("d_sae", shape.width()).put("dtype", "float32").put("device", "cpu");
        json.put("apply_b_dec_to_input", true).put("normalize_activations", "none").put("reshape_activations", "none");
        json.put("architecture", switch (shape.kind()) {
            case JUMPRELU, BATCHTOPK -> "jumprelu";
            case TOPK -> "topk";
            case GATED -> "gated";
            case STANDARD -> "standard";
        });
        if (shape.kind() == SaeKind.TOPK) {
            json.put("k", shape.k());
        }
        ObjectNode metadata = json.putObject("metadata");
        if (modelName != null) {
            metadata.put("model_name", modelName);
        }
        if (layer != ActivationSource.NO_LAYER) {
            metadata.put("hook_name", "blocks." + layer + ".hook_resid_post").put("hf_hook_name", "model.layers." + layer);
        }
        return json;
    }

    private SequencedMap<String, HostTensor> arrays(SaeParameters parameters, float[] norms, double threshold) {
        int width = shape.width();
        float[] encoder = parameters.value(SaeParameters.W_ENC).toFloatArray();
        float[] decoder = parameters.value(SaeParameters.W_DEC).toFloatArray();
        for (int at = 0; at < encoder.length; at++) {
            encoder[at] *= norms[at % width];
            decoder[at] /= norms[at / dIn] == 0 ? 1 : norms[at / dIn];
        }
        SequencedMap<String, HostTensor> arrays = new LinkedHashMap<>();
        arrays.put("W_enc", HostTensor.ofFloats(encoder, dIn, width));
        arrays.put("W_dec", HostTensor.ofFloats(decoder, width, dIn));
        arrays.put("b_dec", HostTensor.ofFloats(scaled(parameters.value(SaeParameters.B_DEC).toFloatArray(), null), dIn));
        float[] bias = scaled(parameters.value(SaeParameters.B_ENC).toFloatArray(), norms);
        if (shape.kind() == SaeKind.GATED) {
            arrays.put("b_gate", HostTensor.ofFloats(bias, width));
            arrays.put("b_mag", HostTensor.ofFloats(scaled(parameters.value(SaeParameters.B_MAG).toFloatArray(), norms), width));
            arrays.put("r_mag", HostTensor.ofFloats(parameters.value(SaeParameters.R_MAG).toFloatArray(), width));
        } else {
            arrays.put("b_enc", HostTensor.ofFloats(bias, width));
        }
        if (shape.kind() == SaeKind.JUMPRELU) {
            arrays.put("threshold", HostTensor.ofFloats(scaled(JumpRelu.thresholds(parameters), norms), width));
        } else if (shape.kind() == SaeKind.BATCHTOPK) {
            float[] all = new float[width];
            Arrays.fill(all, (float) threshold);
            arrays.put("threshold", HostTensor.ofFloats(scaled(all, norms), width));
        }
        return arrays;
    }

    private float[] scaled(float[] values, float @Nullable [] norms) {
        float[] out = new float[values.length];
        for (int i = 0; i < out.length; i++) {
            out[i] = (float) (values[i] * (norms == null ? 1 : norms[i]) / scale);
        }
        return out;
    }
}
