package io.sails4j.study;

import io.sails4j.data.ChatTemplate;
import io.sails4j.data.TokenPrompt;
import io.sails4j.data.Tokenizer;
import io.sails4j.data.Wanted;
import io.sails4j.eval.EvalPrompt;
import io.sails4j.eval.PromptFile;
import io.sails4j.model.AdapterStack;
import io.sails4j.model.CausalModel;
import io.sails4j.model.ForwardOptions;
import io.sails4j.model.ModelSession;
import io.sails4j.model.Site;
import io.sails4j.model.TokenBatch;
import io.sails4j.sae.Sae;
import io.sails4j.sae.SparseCodes;
import io.sails4j.tensor.Tensor;
import io.sails4j.tensor.TensorArena;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.SortedMap;

/** What the model as it is holds of prompts of which it is known whether they are harmful. */
final class TruthSamples {
    private final CausalModel model;
    private final SortedMap<Integer, Sae> saes;
    private final ChatTemplate template;

    TruthSamples(CausalModel model, SortedMap<Integer, Sae> saes, Tokenizer tokenizer, String template) {
        this.model = model;
        this.saes = saes;
        this.template = new ChatTemplate(tokenizer, template);
    }

    /**
     * One prompt.
     *
     * @param streams [n_layers][d_model] resid_post at the prompt's last token, from which the answer's first token is predicted
     * @param features by layer with an SAE the largest activation of each feature on any token after the first [d_sae]
     */
    record Sample(EvalPrompt prompt, boolean harmful, float[][] streams, List<float[]> features) {
    }

    /** Of the prompts of some files that say what they want, the first ones of each. */
    List<Sample> of(List<Path> files, int most) {
        List<Sample> samples = new ArrayList<>();
        try (ModelSession session = ModelSession.open(model); TensorArena memory = new TensorArena(model.engine().device())) {
            for (Path path : files) {
                PromptFile file = PromptFile.read(path).first(most);
                List<TokenPrompt> tokens = file.tokens(template);
                for (int i = 0; i < tokens.size(); i++) {
                    EvalPrompt prompt = file.prompts().get(i);
                    if (prompt.wanted() != Wanted.UNKNOWN) {
                        samples.add(sample(prompt, tokens.get(i).ids(), session, memory));
                    }
                }
            }
        }
        return samples;
    }

    private Sample sample(EvalPrompt prompt, int[] ids, ModelSession session, TensorArena memory) {
        float[][] streams = new float[model.config().nLayers()][];
        List<float[]> features = new ArrayList<>();
        session.forward(TokenBatch.of(ids), AdapterStack.none(), new ForwardOptions(false, -1, (site, layer, value) -> {
            if (site == Site.LAYER) {
                streams[layer] = value.rows(ids.length - 1, 1).toFloatArray();
                Sae sae = saes.get(layer);
                if (sae != null) {
                    features.add(largest(sae, value.rows(1, ids.length - 1), memory));
                }
            }
        })).close();
        return new Sample(prompt, prompt.wanted() == Wanted.REFUSE, streams, features);
    }

    private static float[] largest(Sae sae, Tensor tokens, TensorArena memory) {
        memory.reset();
        SparseCodes codes = sae.encode(tokens, memory);
        int[] indices = codes.indices().toIntArray();
        float[] values = codes.values().toFloatArray();
        int[] counts = codes.counts().toIntArray();
        int capacity = Math.toIntExact(codes.capacity());
        float[] largest = new float[Math.toIntExact(sae.config().dSae())];
        for (int row = 0; row < counts.length; row++) {
            for (int j = row * capacity; j < row * capacity + counts[row]; j++) {
                largest[indices[j]] = Math.max(largest[indices[j]], values[j]);
            }
        }
        return largest;
    }
}
