package io.sails4j.demo;

import io.sails4j.config.ModelConfig;
import io.sails4j.config.ModelFamily;
import io.sails4j.config.RopeScaling;
import io.sails4j.data.ControlTokens;
import io.sails4j.data.PairTokenizer;
import io.sails4j.data.PreferenceReader;
import io.sails4j.data.Progress;
import io.sails4j.data.TokenPair;
import io.sails4j.data.TokenSequence;
import io.sails4j.data.Tokenizer;
import io.sails4j.files.AtomicFiles;
import io.sails4j.model.AdapterStack;
import io.sails4j.model.CausalModel;
import io.sails4j.model.ForwardOptions;
import io.sails4j.model.ModelSession;
import io.sails4j.model.ModelWeights;
import io.sails4j.model.Site;
import io.sails4j.model.TokenBatch;
import io.sails4j.ops.Engine;
import io.sails4j.tensor.DType;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.stream.Stream;

/**
 * A model in the shape of one of the families, its tokenizer, an SAE and preference data, made from nothing: templates give the data, the
 * data a tokenizer, and a few steps of full training on refusals and compliance alike give a model that knows both.
 */
public final class DemoWorld {
    private final Path root;

    /**
     * @param root directory for everything
     */
    public DemoWorld(Path root) {
        this.root = root;
    }

    /** How large the world is. */
    public record Size(long dModel, int nLayers, int headDim, long dFf, int vocabSize, int saeLayer, int dSae, int pretrainSteps) {
        /** Seconds on two cores. */
        public static Size small() {
            return new Size(128, 4, 32, 512, 800, 2, 512, 60);
        }
    }

    public Path model() {
        return root.resolve("model");
    }

    public Path sae() {
        return root.resolve("sae");
    }

    public Path data() {
        return root.resolve("preferences.jsonl");
    }

    /** Harmful requests, and harmless ones that sound alike, in words that no pair has. */
    public Path prompts() {
        return root.resolve("prompts.csv");
    }

    /** Makes everything around a Gemma-2 model. */
    public void make(Engine engine, Size size, int pairs, long seed, Progress progress) {
        make(engine, ModelFamily.GEMMA2, size, pairs, seed, progress);
    }

    /** Makes everything. */
    public void make(Engine engine, ModelFamily family, Size size, int pairs, long seed, Progress progress) {
        List<String> texts = DemoData.write(data(), pairs, seed);
        DemoData.writePrompts(prompts());
        AtomicFiles.writeDirectory(model(), directory -> {
            int vocab = BpeTrainer.train(texts, size.vocabSize(), ControlTokens.of(family), directory.resolve("tokenizer.json"));
            ModelConfig config = ControlTokens.learntFor(config(family, size, vocab));
            try (CausalModel model = new CausalModel(engine, ModelWeights.random(config, engine, DType.F32, seed), false);
                 Tokenizer tokenizer = Tokenizer.load(directory)) {
                List<TokenPair> tokens = new PairTokenizer(tokenizer, 256).tokenize(PreferenceReader.read(data()).pairs());
                pretrain(model, tokens, size.pretrainSteps(), seed, progress);
                model.weights().writeInto(directory, engine);
                ExemplarSae.write(sae(), residuals(model, tokens, size.saeLayer()), size.dSae(), 0.03, seed);
            }
        });
    }

    private static ModelConfig config(ModelFamily family, Size size, int vocab) {
        int nHeads = (int) (size.dModel() / size.headDim());
        if (family == ModelFamily.LLAMA) {
            return ModelConfig.llama3().vocabSize(vocab).dModel(size.dModel()).layers(size.nLayers()).heads(nHeads, nHeads / 2)
                .headDim(size.headDim()).dFf(size.dFf()).rope(10_000, new RopeScaling.Llama3(8, 1, 4, 256)).maxPositionEmbeddings(1024)
                .checkpointDtype(DType.F32).tokens(0, List.of(1), ModelConfig.NO_ID).build();
        }
        return ModelConfig.gemma2().vocabSize(vocab).dModel(size.dModel()).layers(size.nLayers()).heads(nHeads, nHeads / 2)
            .headDim(size.headDim()).dFf(size.dFf()).slidingWindow(32).maxPositionEmbeddings(1024).checkpointDtype(DType.F32)
            .tokens(2, List.of(1, 5), 0).build();
    }

    /** Both answers of each pair, every token counted: the model learns the language and both habits. */
    private static void pretrain(CausalModel model, List<TokenPair> pairs, int steps, long seed, Progress progress) {
        List<TokenSequence> sequences = pairs.stream().flatMap(pair -> Stream.of(pair.aligned(), pair.unaligned())).toList();
        Pretraining.run(model, sequences, steps, 1500, 3e-3, seed, progress);
    }

    /** Residual vectors of answer tokens after the SAE's layer, from a sample of the pairs. */
    private static float[][] residuals(CausalModel model, List<TokenPair> pairs, int layer) {
        List<float[]> rows = new ArrayList<>();
        int d = (int) model.config().dModel();
        try (ModelSession session = ModelSession.open(model)) {
            for (TokenPair pair : pairs.subList(0, Math.min(48, pairs.size()))) {
                for (TokenSequence sequence : List.of(pair.aligned(), pair.unaligned())) {
                    session
                        .forward(TokenBatch.of(sequence.ids()), AdapterStack.none(), new ForwardOptions(false, layer, (site, at, value) -> {
                            if (site == Site.LAYER && at == layer) {
                                float[] values = value.toFloatArray();
                                for (int t = 0; t < sequence.length(); t++) {
                                    if (sequence.counted()[t]) {
                                        rows.add(Arrays.copyOfRange(values, t * d, (t + 1) * d));
                                    }
                                }
                            }
                        })).close();
                }
            }
        }
        return rows.toArray(float[][]::new);
    }
}
