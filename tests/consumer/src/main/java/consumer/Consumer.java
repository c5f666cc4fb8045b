package consumer;

import io.sails4j.config.ModelConfig;
import io.sails4j.data.ChatTemplate;
import io.sails4j.data.Message;
import io.sails4j.data.Tokenizer;
import io.sails4j.io.SafetensorsWriter;
import io.sails4j.model.AdapterStack;
import io.sails4j.model.CausalModel;
import io.sails4j.model.ForwardOptions;
import io.sails4j.model.GenerationOptions;
import io.sails4j.model.Generator;
import io.sails4j.model.ModelSession;
import io.sails4j.model.ModelWeights;
import io.sails4j.model.Site;
import io.sails4j.model.TokenBatch;
import io.sails4j.ops.Engine;
import io.sails4j.ops.EngineOptions;
import io.sails4j.sae.Sae;
import io.sails4j.tensor.DType;
import io.sails4j.tensor.HostTensor;
import io.sails4j.tensor.TensorArena;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.SequencedMap;
import java.util.Set;

/**
 * A program of somebody who knows the library by its coordinates alone: generates tokens, renders a turn and encodes the residual stream.
 */
public final class Consumer {
    private static final int D_MODEL = 16;
    private static final int D_SAE = 40;

    private Consumer() {
    }

    /** Prints how many tokens were made and how many features were active. */
    public static void main(String[] arguments) throws IOException {
        ModelConfig config = ModelConfig.gemma2().vocabSize(50).dModel(D_MODEL).layers(2).heads(2, 1).headDim(8).dFf(24)
            .checkpointDtype(DType.F32).build();
        Path directory = Files.createTempDirectory("consumer");
        try (Engine engine = Engine.open(EngineOptions.defaults());
             CausalModel model = new CausalModel(engine, ModelWeights.random(config, engine, DType.F32, 1), false);
             ModelSession session = ModelSession.open(model);
             Sae sae = Sae.load(writeSae(directory), engine);
             Tokenizer tokenizer = Service.tokenizer();
             TensorArena memory = new TensorArena(engine.device())) {
            int[] prompt = {2, 5, 7, 11};
            int[] answer = new Generator(session, AdapterStack.none()).generate(prompt, GenerationOptions.greedy(6, Set.of()), null);
            double[] active = new double[1];
            session.forward(TokenBatch.of(prompt), AdapterStack.none(), new ForwardOptions(false, 1, (site, layer, resid) -> {
                if (site == Site.LAYER && layer == 1) {
                    active[0] = sae.encode(resid, memory).l0();
                }
            })).close();
            // A tokenizer and a template: what they stand on are modules that this one asks for in their place.
            int turn = new ChatTemplate(tokenizer).prompt(List.of(new Message("user", "a"))).length;
            System.out.println("tokens " + answer.length + ", turn " + (turn > 1 ? "rendered" : "empty") + ", features "
                + (active[0] > 0 ? "active" : "silent") + ", module " + Engine.class.getModule().getName());
        }
    }

    private static Path writeSae(Path directory) throws IOException {
        Random random = new Random(3);
        SequencedMap<String, HostTensor> arrays = new LinkedHashMap<>();
        for (Map.Entry<String, long[]> array : List.of(Map.entry("W_enc", new long[] {D_MODEL, D_SAE}),
            Map.entry("W_dec", new long[] {D_SAE, D_MODEL}),
            Map.entry("b_enc", new long[] {D_SAE}), Map.entry("b_dec", new long[] {D_MODEL}), Map.entry("threshold", new long[] {D_SAE}))) {
            long n = 1;
            for (long dim : array.getValue()) {
                n *= dim;
            }
            float[] values = new float[(int) n];
            for (int i = 0; i < n; i++) {
                values[i] = array.getKey().equals("threshold") ? 0.1f : (float) random.nextGaussian();
            }
            arrays.put(array.getKey(), HostTensor.ofFloats(values, array.getValue()));
        }
        SafetensorsWriter.write(directory.resolve("sae_weights.safetensors"), arrays, Map.of());
        Files.writeString(directory.resolve("cfg.json"),
            "{\"architecture\": \"jumprelu\", \"d_in\": " + D_MODEL + ", \"d_sae\": " + D_SAE + "}");
        return directory;
    }
}
