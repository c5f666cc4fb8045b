package io.sails4j.parity;

import com.fasterxml.jackson.databind.JsonNode;
import io.sails4j.data.TokenPair;
import io.sails4j.data.TokenPairs;
import io.sails4j.model.AdapterStack;
import io.sails4j.model.CausalModel;
import io.sails4j.model.ForwardOptions;
import io.sails4j.model.ModelOptions;
import io.sails4j.model.ModelSession;
import io.sails4j.model.Site;
import io.sails4j.model.TokenBatch;
import io.sails4j.ops.Engine;
import io.sails4j.sae.Sae;
import io.sails4j.sae.SparseCodes;
import io.sails4j.subspace.FeatureScores;
import io.sails4j.subspace.FeatureStatistics;
import io.sails4j.subspace.PcaSubspace;
import io.sails4j.subspace.Pooling;
import io.sails4j.subspace.PrincipalAngles;
import io.sails4j.subspace.SubspaceOptions;
import io.sails4j.subspace.SubspacePipeline;
import io.sails4j.tensor.DType;
import io.sails4j.tensor.HostTensor;
import io.sails4j.tensor.Tensor;
import io.sails4j.tensor.TensorArena;
import java.util.Arrays;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Objects;
import java.util.TreeMap;

/** Feature scores, PCA, principal angles, and the chain from tokens to projected gradients. */
final class SubspaceParity {
    private static final String SCORES = "subspace/feature_scores.safetensors";
    private static final String PCA = "subspace/pca.safetensors";
    private static final String ANGLES = "subspace/principal_angles.safetensors";
    private static final String CHAIN = "chain/chain.safetensors";
    private final Reference reference;

    SubspaceParity(Reference reference) {
        this.reference = reference;
    }

    void run(Engine engine, ParityTable table) {
        featureScores(table, engine);
        pca(table, engine);
        angles(table);
        chain(table, engine);
    }

    /** Dense activations as codes: every feature listed. */
    private static SparseCodes codes(float[] acts, int width, TensorArena memory) {
        int n = acts.length / width;
        int[] indices = new int[acts.length];
        Arrays.setAll(indices, i -> i % width);
        int[] counts = new int[n];
        Arrays.fill(counts, width);
        Tensor values = memory.of(acts, n, width);
        return new SparseCodes(memory.of(indices, n, width), values, memory.of(counts, n), values, null, null);
    }

    private void featureScores(ParityTable table, Engine engine) {
        Map<String, HostTensor> stored = reference.load(SCORES);
        HostTensor aligned = Reference.tensor(stored, "acts_aligned");
        int sequences = (int) aligned.shape().dim(0);
        int width = (int) aligned.shape().dim(2);
        for (Pooling pool : Pooling.values()) {
            String name = pool.name().toLowerCase(Locale.ROOT);
            try (TensorArena memory = new TensorArena(engine.device());
                 FeatureStatistics statistics = new FeatureStatistics(engine, width, pool)) {
                int side = 0;
                for (String which : List.of("aligned", "unaligned")) {
                    int[] classes = new int[sequences];
                    Arrays.fill(classes, side++);
                    statistics.add(codes(Reference.tensor(stored, "acts_" + which).toFloatArray(), width, memory), classes,
                        booleans(Reference.tensor(stored, "mask_" + which).toIntArray()), memory);
                }
                FeatureScores scores = statistics.scores();
                table.compare(SCORES, "score_" + name, floats(scores.scores()), Reference.tensor(stored, "score_" + name), null,
                    reference.budget(SCORES, "score_" + name, 1e-5));
                int[] top = Reference.tensor(stored, "top_" + name).toIntArray();
                table.equal(SCORES, "top_" + name, scores.top(top.length), top);
            }
        }
    }

    private void pca(ParityTable table, Engine engine) {
        Map<String, HostTensor> stored = reference.load(PCA);
        JsonNode entry = reference.file(PCA);
        for (Map.Entry<String, JsonNode> named : entry.get("cases").properties()) {
            String[] parts = named.getKey().split("\\.");
            float[][] directions = rows(Reference.tensor(stored, parts[0] + ".directions"));
            float[][] used = parts[1].equals("unit") ? PcaSubspace.unitRows(directions) : directions;
            boolean centre = parts[2].equals("centred");
            PcaSubspace subspace = PcaSubspace.of(used, entry.get("tau").asDouble(), centre);
            table.equal(PCA, named.getKey() + ".components", subspace.components(), named.getValue().get("components").asInt());
            table.check(PCA, named.getKey() + ".share_at_k", Math.abs(subspace.share() - named.getValue().get("share_at_k").asDouble()),
                1e-5);
            named.getValue().get("components_at").properties()
                .forEach(at -> table.equal(PCA, named.getKey() + ".components_at " + at.getKey(),
                    PcaSubspace.of(used, Double.parseDouble(at.getKey()), centre).components(), at.getValue().asInt()));
            table.compare(PCA, named.getKey() + ".singular_values", floats(subspace.singularValues()),
                Reference.tensor(stored, named.getKey() + ".singular_values"), null,
                reference.budget(PCA, named.getKey() + ".singular_values", 1e-5));
            checkProjections(table, engine, PCA, named.getKey(), subspace, stored);
        }
    }

    private void checkProjections(ParityTable table, Engine engine, String file, String key, PcaSubspace subspace,
        Map<String, HostTensor> stored) {
        table.compare(file, key + ".projector", projector(subspace), Reference.tensor(stored, key + ".projector"), null,
            reference.budget(file, key + ".projector", 1e-5));
        table.compare(file, key + ".projected_lora_A", project(engine, subspace, Reference.tensor(stored, "grad_lora_A"), true),
            Reference.tensor(stored, key + ".projected_lora_A"), null, reference.budget(file, key + ".projected_lora_A", 1e-4));
        table.compare(file, key + ".projected_lora_B", project(engine, subspace, Reference.tensor(stored, "grad_lora_B"), false),
            Reference.tensor(stored, key + ".projected_lora_B"), null, reference.budget(file, key + ".projected_lora_B", 1e-4));
    }

    private void angles(ParityTable table) {
        Map<String, HostTensor> stored = reference.load(ANGLES);
        for (Map.Entry<String, JsonNode> named : reference.file(ANGLES).get("cases").properties()) {
            double[] angles = PrincipalAngles.between(doubles(Reference.tensor(stored, named.getKey() + ".a")),
                doubles(Reference.tensor(stored, named.getKey() + ".b")));
            JsonNode expected = named.getValue().get("angles");
            table.equal(ANGLES, named.getKey() + " count", angles.length, expected.size());
            for (int i = 0; i < angles.length; i++) {
                table.check(ANGLES, named.getKey() + "[" + i + "]", Math.abs(angles[i] - expected.get(i).asDouble()), 1e-5);
            }
        }
    }

    private void chain(ParityTable table, Engine engine) {
        JsonNode entry = reference.file(CHAIN);
        Map<String, HostTensor> stored = reference.load(CHAIN);
        int layer = entry.get("layer").asInt();
        Reference.ModelFiles files = reference.modelFiles(entry.get("model").asText());
        String gemmaScope = reference.filesUnder("sae/gemma_scope/").getFirst();
        try (CausalModel model = CausalModel.load(files.weights(), engine, ModelOptions.of(DType.F32));
             ModelSession session = ModelSession.open(model);
             Sae sae = Sae.load(reference.path(gemmaScope), engine)) {
            for (String side : List.of("aligned", "unaligned")) {
                residualAndActs(table, session, sae, layer, side, stored);
            }
            List<TokenPair> pairs = TokenPairs.read(reference.path(CHAIN));
            SubspaceOptions options = SubspaceOptions.defaults();
            FeatureScores scores = Objects.requireNonNull(new SubspacePipeline(model, files.weights(),
                new TreeMap<>(Map.of(layer, sae)), options).scores(pairs, (d, t, n) -> {}).get(layer));
            table.compare(CHAIN, "score", floats(scores.scores()), Reference.tensor(stored, "score"), null,
                reference.budget(CHAIN, "score", 1e-5));
            int[] top = scores.top(entry.get("top_k").asInt());
            table.equal(CHAIN, "top_ids", top, Reference.tensor(stored, "top_ids").toIntArray());
            float[][] directions = sae.decoderRows(top);
            table.compare(CHAIN, "directions", flat(directions), Reference.tensor(stored, "directions"), null,
                reference.budget(CHAIN, "directions", 1e-5));
            for (String kind : List.of("centred", "uncentred")) {
                PcaSubspace subspace = PcaSubspace.of(directions, entry.get("tau").asDouble(), kind.equals("centred"));
                table.equal(CHAIN, kind + ".components", subspace.components(), entry.get(kind).get("components").asInt());
                table.compare(CHAIN, kind + ".projector", projector(subspace), Reference.tensor(stored, kind + ".projector"), null,
                    reference.budget(CHAIN, kind + ".projector", 1e-5));
                projectedGradients(table, engine, files, kind + ".projected.", subspace, stored);
            }
        }
    }

    private void projectedGradients(ParityTable table, Engine engine, Reference.ModelFiles files, String prefix, PcaSubspace subspace,
        Map<String, HostTensor> stored) {
        Map<String, HostTensor> gradients = reference.load(files.expected() + "/lora.safetensors");
        stored.forEach((name, expected) -> {
            if (name.startsWith(prefix)) {
                HostTensor gradient = Reference.tensor(gradients, "grad." + name.substring(prefix.length()));
                table.compare(CHAIN, name, project(engine, subspace, gradient, name.endsWith("lora_A.weight")), expected, null,
                    reference.budget(CHAIN, name, 1e-4));
            }
        });
    }

    private void residualAndActs(ParityTable table, ModelSession session, Sae sae, int layer, String side, Map<String, HostTensor> stored) {
        HostTensor ids = Reference.tensor(stored, side + ".input_ids");
        int[] mask = Reference.tensor(stored, side + ".attention_mask").toIntArray();
        TokenBatch batch = TokenBatch.of((int) ids.shape().dim(0), (int) ids.shape().dim(1), ids.toIntArray(), mask);
        try (TensorArena memory = new TensorArena(session.model().engine().device())) {
            session.forward(batch, AdapterStack.none(), new ForwardOptions(false, layer, (site, at, value) -> {
                if (site == Site.LAYER && at == layer) {
                    table.compare(CHAIN, side + ".resid_post", value.toFloatArray(), Reference.tensor(stored, side + ".resid_post"), mask,
                        reference.budget(CHAIN, side + ".resid_post", 1e-5));
                    float[] acts = sae.densify(sae.encode(value, memory), memory).toFloatArray();
                    table.compare(CHAIN, side + ".feature_acts", acts, Reference.tensor(stored, side + ".feature_acts"), mask,
                        reference.budget(CHAIN, side + ".feature_acts", 1e-5));
                }
            })).close();
        }
    }

    private static float[] project(Engine engine, PcaSubspace subspace, HostTensor gradient, boolean right) {
        int r = subspace.components();
        float[] basis = new float[subspace.basis().length * r];
        for (int i = 0; i < basis.length; i++) {
            basis[i] = (float) subspace.basis()[i / r][i % r];
        }
        try (TensorArena memory = new TensorArena(engine.device())) {
            Tensor g = memory.of(gradient.toFloatArray(), gradient.shape().toArray());
            Tensor y = memory.allocate(DType.F32, gradient.shape().toArray());
            engine.ops().optimizer().project(y, g, memory.of(basis, subspace.basis().length, r), right);
            return y.toFloatArray();
        }
    }

    private static float[] projector(PcaSubspace subspace) {
        int d = subspace.basis().length;
        float[] p = new float[d * d];
        for (int i = 0; i < d; i++) {
            for (int j = 0; j < d; j++) {
                double sum = 0;
                for (int c = 0; c < subspace.components(); c++) {
                    sum += subspace.basis()[i][c] * subspace.basis()[j][c];
                }
                p[i * d + j] = (float) sum;
            }
        }
        return p;
    }

    private static boolean[] booleans(int[] mask) {
        boolean[] out = new boolean[mask.length];
        for (int i = 0; i < out.length; i++) {
            out[i] = mask[i] != 0;
        }
        return out;
    }

    private static float[] floats(double[] values) {
        float[] out = new float[values.length];
        for (int i = 0; i < out.length; i++) {
            out[i] = (float) values[i];
        }
        return out;
    }

    private static float[] flat(float[][] rows) {
        float[] out = new float[rows.length * rows[0].length];
        for (int i = 0; i < out.length; i++) {
            out[i] = rows[i / rows[0].length][i % rows[0].length];
        }
        return out;
    }

    private static float[][] rows(HostTensor matrix) {
        float[] values = matrix.toFloatArray();
        int d = (int) matrix.shape().dim(1);
        float[][] rows = new float[values.length / d][];
        for (int i = 0; i < rows.length; i++) {
            rows[i] = Arrays.copyOfRange(values, i * d, (i + 1) * d);
        }
        return rows;
    }

    private static double[][] doubles(HostTensor matrix) {
        float[][] rows = rows(matrix);
        double[][] out = new double[rows.length][rows[0].length];
        for (int i = 0; i < rows.length; i++) {
            for (int j = 0; j < rows[i].length; j++) {
                out[i][j] = rows[i][j];
            }
        }
        return out;
    }
}
