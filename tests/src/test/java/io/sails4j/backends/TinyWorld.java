package io.sails4j.backends;

import io.sails4j.align.AdapterOptions;
import io.sails4j.align.AlignOptions;
import io.sails4j.align.Constraint;
import io.sails4j.align.ConstraintOptions;
import io.sails4j.config.ModelFamily;
import io.sails4j.data.PairTokenizer;
import io.sails4j.data.PreferenceReader;
import io.sails4j.data.Progress;
import io.sails4j.data.TokenPair;
import io.sails4j.data.Tokenizer;
import io.sails4j.demo.DemoWorld;
import io.sails4j.io.SafetensorsFile;
import io.sails4j.model.AdapterStack;
import io.sails4j.model.CausalModel;
import io.sails4j.model.GenerationOptions;
import io.sails4j.model.Generator;
import io.sails4j.model.Labels;
import io.sails4j.model.ModelOptions;
import io.sails4j.model.ModelSession;
import io.sails4j.model.TokenBatch;
import io.sails4j.ops.Engine;
import io.sails4j.run.AlignRun;
import io.sails4j.sae.Sae;
import io.sails4j.subspace.Pooling;
import io.sails4j.subspace.SafetySubspace;
import io.sails4j.subspace.SubspaceOptions;
import io.sails4j.subspace.SubspacePipeline;
import io.sails4j.tensor.DType;
import io.sails4j.testing.Backends;
import io.sails4j.testing.TinyModel;
import io.sails4j.trace.Trace;
import io.sails4j.train.Objective;
import io.sails4j.train.ObjectiveOptions;
import io.sails4j.train.RunOptions;
import io.sails4j.train.RunOrigin;
import io.sails4j.train.ScheduleOptions;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;

/** A model, an SAE and preference pairs on disk, and what each backend makes of them. */
final class TinyWorld {
    static final int SAE_LAYER = 1;
    private static final Progress SILENT = Progress.none();

    private final DemoWorld world;
    private final List<TokenPair> pairs;

    private TinyWorld(DemoWorld world, List<TokenPair> pairs) {
        this.world = world;
        this.pairs = pairs;
    }

    static TinyWorld make(ModelFamily family, Path root) {
        DemoWorld world = new DemoWorld(root);
        try (Engine engine = Backends.open("cpu")) {
            world.make(engine, family, new DemoWorld.Size(64, 3, 16, 96, 300, SAE_LAYER, 96, 8), 24, 5, SILENT);
        }
        try (Tokenizer tokenizer = Tokenizer.load(world.model())) {
            return new TinyWorld(world, new PairTokenizer(tokenizer, 40).tokenize(PreferenceReader.read(world.data()).pairs()));
        }
    }

    /** Logits, losses and all gradients of a batch of two padded answers. */
    Map<String, float[]> trace(String backend, DType dtype) {
        int length = Math.max(pairs.get(0).aligned().length(), pairs.get(1).unaligned().length());
        int[] ids = new int[2 * length];
        int[] mask = new int[2 * length];
        int[] labels = new int[2 * length];
        Arrays.fill(labels, Labels.IGNORE_INDEX);
        int[][] rows = {pairs.get(0).aligned().ids(), pairs.get(1).unaligned().ids()};
        for (int b = 0; b < 2; b++) {
            for (int t = 0; t < rows[b].length; t++) {
                ids[b * length + t] = rows[b][t];
                mask[b * length + t] = 1;
                labels[b * length + t] = rows[b][t];
            }
        }
        TokenBatch batch = TokenBatch.of(2, length, ids, mask).withLabels(labels);
        Map<String, float[]> values = new LinkedHashMap<>();
        try (Engine engine = Backends.open(backend); CausalModel model = CausalModel.load(world.model(), engine, ModelOptions.of(dtype))) {
            Trace.run(model, AdapterStack.none(), batch, Trace.Gradients.ALL)
                .forEach((name, value) -> values.put(name, value.toFloatArray()));
        }
        return values;
    }

    /** Greedy tokens after the first pair's prompt. */
    int[] generate(String backend) {
        int[] prompt = Arrays.copyOf(pairs.getFirst().aligned().ids(), 12);
        try (Engine engine = Backends.open(backend);
             CausalModel model = CausalModel.load(world.model(), engine, ModelOptions.of(DType.F32));
             ModelSession session = ModelSession.open(model)) {
            return new Generator(session, AdapterStack.none()).generate(prompt, GenerationOptions.greedy(16, Set.of()), null);
        }
    }

    /** What an alignment run left. */
    record Aligned(SafetySubspace.Layer subspace, Map<String, float[]> adapter) {
    }

    /** The whole method: subspace by SAE features, then a few optimizer steps. */
    Aligned align(String backend, Objective objective, Constraint constraint, Path out) {
        AlignOptions options = AlignOptions.defaults().with(o -> {
            o.objective = ObjectiveOptions.of(objective);
            o.adapter = AdapterOptions.ofAttention(4);
            o.constraint = ConstraintOptions.of(constraint);
            o.run = RunOptions.of(4);
            o.training = o.training.withBatching(b -> {
                b.maxSteps = 3;
                b.batchTokens = 400;
                b.microBatchTokens = 400;
            }).withAdamw(adamw -> adamw.withLr(2e-3)).with(t -> {
                t.schedule = ScheduleOptions.constant();
                t.seed = 1;
            });
        });
        try (Engine engine = Backends.open(backend);
             CausalModel model = CausalModel.load(world.model(), engine, ModelOptions.of(DType.F32));
             Sae sae = Sae.load(world.sae(), engine)) {
            SubspaceOptions subspaceOptions = new SubspaceOptions(16, 0.8, true, false, Pooling.TOKEN, 1024);
            SafetySubspace subspace = new SubspacePipeline(model, world.model(), new TreeMap<>(Map.of(SAE_LAYER, sae)), subspaceOptions)
                .build(pairs, Map.of(), SILENT);
            new AlignRun(model, world.model(), options, subspace, RunOrigin.unknown()).run(pairs, out, SILENT, TinyModel.AT_ONCE);
            Map<String, float[]> adapter = new TreeMap<>();
            try (SafetensorsFile file = SafetensorsFile.open(out.resolve("adapter_model.safetensors"))) {
                file.names().forEach(name -> adapter.put(name, file.tensor(name).toFloatArray()));
            }
            return new Aligned(subspace.layers().get(SAE_LAYER), adapter);
        }
    }
}
