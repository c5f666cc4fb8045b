package io.sails4j.parity;

import io.sails4j.config.ModelConfig;
import io.sails4j.lora.LoraAdapter;
import io.sails4j.lora.LoraMerge;
import io.sails4j.model.AdapterStack;
import io.sails4j.model.CausalModel;
import io.sails4j.model.ForwardOptions;
import io.sails4j.model.ForwardPass;
import io.sails4j.model.GenerationOptions;
import io.sails4j.model.Generator;
import io.sails4j.model.ModelOptions;
import io.sails4j.model.ModelSession;
import io.sails4j.model.ModelWeights;
import io.sails4j.model.TokenBatch;
import io.sails4j.ops.Engine;
import io.sails4j.tensor.DType;
import io.sails4j.tensor.HostTensor;
import io.sails4j.trace.BatchFile;
import io.sails4j.trace.Trace;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.Set;

/** Models and adapters against the reference: values, gradients, generation; in F32 for all, in BF16 for BF16 checkpoints. */
final class ModelParity {
    private final Reference reference;

    ModelParity(Reference reference) {
        this.reference = reference;
    }

    /** In BF16 the models whose checkpoints are. */
    void run(Engine engine, DType dtype, ParityTable table) {
        for (String name : reference.models(dtype)) {
            new Run(engine, name, dtype, table).all();
        }
    }

    private final class Run {
        private final Engine engine;
        private final DType dtype;
        private final ParityTable table;
        private final Reference.ModelFiles files;

        Run(Engine engine, String name, DType dtype, ParityTable table) {
            this.engine = engine;
            this.dtype = dtype;
            this.table = table;
            this.files = reference.modelFiles(name);
            checkConfigSpellings(name);
        }

        private void checkConfigSpellings(String name) {
            ModelConfig other = ModelConfig.readFile(reference.path("configs/" + name + ".transformers-5.json"));
            table.equal("configs/" + name + ".transformers-5.json", "configuration", other, ModelConfig.read(files.weights()));
        }

        void all() {
            try (CausalModel model = CausalModel.load(files.weights(), engine, ModelOptions.of(dtype));
                 ModelSession session = ModelSession.open(model);
                 LoraAdapter adapter = LoraAdapter.load(files.adapter(), model.config(), engine)) {
                AdapterStack active = AdapterStack.of(adapter.modules());
                trace("forward", model, AdapterStack.none(), Trace.Gradients.NONE, "");
                trace("grads_full", model, AdapterStack.none(), Trace.Gradients.ALL, "grad.");
                trace("grads_hidden", model, AdapterStack.none(), Trace.Gradients.HIDDEN, "grad.");
                trace("lora", model, active, Trace.Gradients.LORA, "");
                leftPadding(session);
                greedy(session, AdapterStack.none(), "base");
                greedy(session, active, "adapter");
            }
            exactNormalizer();
            merged();
        }

        private Budget budget(String file, String tensor, boolean gradient) {
            if (dtype == DType.F32) {
                return reference.budget(file, tensor, gradient ? 1e-4 : 1e-5);
            }
            return Budget.stated(gradient ? 3 * torchBfloat16Error(tensor) : 2e-2);
        }

        /** PyTorch's own error in bfloat16 on the adapter's gradients; its worst one for gradients that it did not record. */
        private double torchBfloat16Error(String tensor) {
            var errors = reference.file(files.expected() + "/bfloat16_run.safetensors").get("lora_grad_bfloat16_rel_error");
            String module = tensor.startsWith("grad.") ? tensor.substring(5) : tensor;
            if (errors.has(module)) {
                return errors.get(module).asDouble();
            }
            double worst = 0;
            for (var error : errors) {
                worst = Math.max(worst, error.asDouble());
            }
            return worst;
        }

        /** Compares every stored tensor with the one of that name in a trace; {@code prefix} is what traces put before it. */
        private void trace(String kind, CausalModel model, AdapterStack adapters, Trace.Gradients gradients, String prefix) {
            String file = files.expected() + "/" + kind + ".safetensors";
            if (!reference.has(file)) {
                return;
            }
            TokenBatch batch = BatchFile.read(reference.path(files.expected() + "/forward.safetensors"));
            Map<String, HostTensor> actual = Trace.run(model, adapters, batch, gradients);
            for (Map.Entry<String, HostTensor> stored : reference.load(file).entrySet()) {
                String name = stored.getKey();
                if (!stored.getValue().dtype().isFloating() || name.equals("merged_logits")) {
                    continue;
                }
                HostTensor found = actual.get(prefix + name);
                if (found == null) {
                    table.fail(file, name, "is not in the trace");
                    continue;
                }
                boolean perToken = found.shape().rank() >= 2 && found.shape().dim(0) == batch.batch()
                    && found.shape().dim(1) == batch.length();
                boolean gradient = !prefix.isEmpty() || name.startsWith("grad.");
                table.compare(file, name, found.toFloatArray(), stored.getValue(), perToken ? batch.segments() : null,
                    budget(file, name, gradient));
            }
        }

        private void leftPadding(ModelSession session) {
            String file = files.expected() + "/leftpad.safetensors";
            if (reference.has(file)) {
                TokenBatch batch = BatchFile.read(reference.path(file));
                table.compare(file, "logits", logits(session, batch), Reference.tensor(reference.load(file), "logits"), batch.segments(),
                    budget(file, "logits", false));
                // Positions derived from the mask must be those that are stored.
                TokenBatch t = batch;
                int[] derived = TokenBatch.of(t.batch(), t.length(), t.inputIds(), t.segments()).positionIds();
                for (int i = 0; i < derived.length; i++) {
                    derived[i] = t.segments()[i] == 0 ? t.positionIds()[i] : derived[i];
                }
                table.equal(file, "position_ids", derived, t.positionIds());
            }
        }

        private float[] logits(ModelSession session, TokenBatch tokens) {
            try (ForwardPass pass = session.forward(tokens, AdapterStack.none(), ForwardOptions.inference())) {
                return session.logits(pass, null).toFloatArray();
            }
        }

        private void exactNormalizer() {
            String file = files.expected() + "/forward_exact_normalizer.safetensors";
            if (reference.has(file)) {
                try (CausalModel model = CausalModel.load(files.weights(), engine, new ModelOptions(dtype, false, true))) {
                    trace("forward_exact_normalizer", model, AdapterStack.none(), Trace.Gradients.NONE, "");
                }
            }
        }

        private void merged() {
            String file = files.expected() + "/lora.safetensors";
            if (!reference.has(file) || dtype != DType.F32 || !reference.load(file).containsKey("merged_logits")) {
                return;
            }
            ModelConfig config = ModelConfig.read(files.weights());
            ModelWeights weights = ModelWeights.load(files.weights(), config, engine, DType.F32, true);
            try (CausalModel model = new CausalModel(engine, weights, false); ModelSession session = ModelSession.open(model);
                 LoraAdapter adapter = LoraAdapter.load(files.adapter(), config, engine)) {
                LoraMerge.apply(weights, adapter.modules(), engine);
                TokenBatch batch = BatchFile.read(reference.path(files.expected() + "/forward.safetensors"));
                table.compare(file, "merged_logits", logits(session, batch), Reference.tensor(reference.load(file), "merged_logits"),
                    batch.segments(), budget(file, "merged_logits", false));
            }
        }

        private void greedy(ModelSession session, AdapterStack adapters, String which) {
            String file = files.expected() + "/greedy.safetensors";
            Map<String, HostTensor> stored = reference.load(file);
            int[] expectedIds = Reference.tensor(stored, which + ".new_ids").toIntArray();
            float[] expectedLogits = Reference.tensor(stored, which + ".logits").toFloatArray();
            float[] gaps = Reference.tensor(stored, which + ".gaps").toFloatArray();
            int vocab = (int) session.model().config().vocabSize();
            List<float[]> logits = new ArrayList<>();
            int[] ids = new Generator(session, adapters).generate(Reference.tensor(stored, "prompt").toIntArray(),
                GenerationOptions.greedy(expectedIds.length, Set.of()), (chosen, row) -> logits.add(row.toFloatArray()));
            if (dtype == DType.F32) {
                table.equal(file, which + ".new_ids", ids, expectedIds);
            }
            for (int step = 0; step < ids.length; step++) {
                float[] expectedRow = Arrays.copyOfRange(expectedLogits, step * vocab, (step + 1) * vocab);
                table.compare(file, which + ".logits[" + step + "]", logits.get(step), HostTensor.ofFloats(expectedRow, vocab), null,
                    budget(file, which + ".logits", false));
                if (ids[step] != expectedIds[step]) {
                    // A run in low precision may turn off where two logits are closer than its error; what follows has another prefix.
                    double worst = 0;
                    for (int i = 0; i < vocab; i++) {
                        worst = Math.max(worst, Math.abs(logits.get(step)[i] - expectedRow[i]));
                    }
                    table.check(file, which + ".gaps[" + step + "]", gaps[step], 2 * worst);
                    return;
                }
            }
        }
    }
}
