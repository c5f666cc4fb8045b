package io.sails4j.parity;

import com.fasterxml.jackson.databind.JsonNode;
import io.sails4j.data.TokenPair;
import io.sails4j.data.TokenSequence;
import io.sails4j.loop.AdamwOptimizer;
import io.sails4j.lora.LoraAdapter;
import io.sails4j.model.AdapterStack;
import io.sails4j.model.CausalModel;
import io.sails4j.model.Labels;
import io.sails4j.model.ModelOptions;
import io.sails4j.model.ModelSession;
import io.sails4j.objective.PassContext;
import io.sails4j.objective.PreferenceLoss;
import io.sails4j.objective.SftLoss;
import io.sails4j.ops.AdamwOptions;
import io.sails4j.ops.Engine;
import io.sails4j.tensor.DType;
import io.sails4j.tensor.HostTensor;
import io.sails4j.trainable.FullTrainable;
import io.sails4j.trainable.LoraTrainable;
import io.sails4j.trainable.Trainable;
import java.lang.foreign.MemorySegment;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.stream.IntStream;

/** Optimizer steps and preference losses against the reference; in F32 for all models, in BF16 for BF16 checkpoints. */
final class TrainingParity {
    private final Reference reference;

    TrainingParity(Reference reference) {
        this.reference = reference;
    }

    /** In BF16 the models whose checkpoints are. */
    void run(Engine engine, DType dtype, ParityTable table) {
        for (String name : reference.models(dtype)) {
            Run run = new Run(engine, name, dtype, table);
            run.adamwLora();
            run.adamwFull();
            run.dpo();
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
        }

        void adamwLora() {
            String file = files.expected() + "/adamw_lora.safetensors";
            if (reference.has(file)) {
                try (CausalModel model = CausalModel.load(files.weights(), engine, ModelOptions.of(dtype));
                     LoraAdapter adapter = LoraAdapter.load(files.adapter(), model.config(), engine);
                     Trainable trainable = new LoraTrainable(adapter, engine.device())) {
                    steps(file, model, trainable);
                }
            }
        }

        void adamwFull() {
            String file = files.expected() + "/adamw_full.safetensors";
            if (reference.has(file)) {
                try (CausalModel model = CausalModel.load(files.weights(), engine, new ModelOptions(dtype, true, false));
                     Trainable trainable = new FullTrainable(model)) {
                    steps(file, model, trainable);
                }
            }
        }

        private void steps(String file, CausalModel model, Trainable trainable) {
            JsonNode entry = reference.file(file);
            JsonNode o = entry.get("optimizer");
            AdamwOptions options = new AdamwOptions(o.get("lr").asDouble(), o.get("betas").get(0).asDouble(),
                o.get("betas").get(1).asDouble(),
                o.get("eps").asDouble(), o.get("weight_decay").asDouble());
            Map<String, HostTensor> stored = reference.load(file);
            Map<String, float[]> start = new HashMap<>();
            trainable.parameters().forEach(p -> start.put(p.name(), p.value().toFloatArray()));
            SftLoss loss = new SftLoss(sequences(files.expected() + "/forward.safetensors", "labels"));
            int[] all = IntStream.range(0, loss.size()).toArray();
            int count = entry.get("grad_norms").size();
            float[] losses = new float[count + 1];
            float[] norms = new float[count];
            try (ModelSession session = ModelSession.open(model); PassContext context = PassContext.of(session);
                 AdamwOptimizer optimizer = new AdamwOptimizer(trainable, engine.device(), engine.ops(), options,
                     o.get("max_grad_norm").asDouble())) {
                double weight = loss.totalWeight(all);
                for (int step = 0; step < count; step++) {
                    trainable.zeroGradients();
                    losses[step] = (float) (loss.sumAndGradient(context, trainable, all, weight) / weight);
                    norms[step] = (float) optimizer.step(1);
                    trainable.publish();
                    compareWeights(file, "step" + (step + 1) + ".", trainable, stored, start);
                }
                losses[count] = (float) loss.mean(context, trainable.adapters(), all, Integer.MAX_VALUE);
            }
            table.compare(file, "losses", losses, Reference.tensor(stored, "losses"), null, budget(file, "losses", 1e-5));
            table.compare(file, "grad_norms", norms, Reference.tensor(stored, "grad_norms"), null,
                budget(file, "grad_norms", dtype == DType.F32 ? 1e-4 : 3 * worstTorchBfloat16()));
        }

        /** Weights after a step, and their change since the start; in BF16 the direction of small entries is rounding's, so only F32. */
        private void compareWeights(String file, String prefix, Trainable trainable, Map<String, HostTensor> stored,
            Map<String, float[]> start) {
            for (Trainable.Parameter parameter : trainable.parameters()) {
                HostTensor value = stored.get(prefix + parameter.name());
                if (value == null || dtype != DType.F32) {
                    continue;
                }
                String name = prefix + parameter.name();
                float[] found = parameter.value().toFloatArray();
                table.compare(file, name, found, value, null, budget(file, name, 1e-3));
                float[] change = minus(found, Objects.requireNonNull(start.get(parameter.name())));
                HostTensor storedChange = new HostTensor(DType.F32, value.shape(),
                    MemorySegment.ofArray(minus(value.toFloatArray(), Objects.requireNonNull(start.get(parameter.name())))));
                table.compare(file, name + " (change)", change, storedChange, null, reference.budgetOfChange(file, name, 5e-3));
            }
        }

        private static float[] minus(float[] a, float[] b) {
            float[] difference = new float[a.length];
            for (int i = 0; i < a.length; i++) {
                difference[i] = a[i] - b[i];
            }
            return difference;
        }

        void dpo() {
            String file = files.expected() + "/dpo.safetensors";
            if (!reference.has(file)) {
                return;
            }
            Map<String, HostTensor> stored = reference.load(file);
            List<TokenSequence> rows = sequences(file, "completion_mask");
            int n = rows.size() / 2;
            List<TokenPair> pairs = IntStream.range(0, n).mapToObj(i -> new TokenPair(rows.get(i), rows.get(n + i))).toList();
            int[] all = IntStream.range(0, n).toArray();
            PreferenceLoss loss = new PreferenceLoss(pairs, reference.file(file).get("beta").asDouble());
            try (CausalModel model = CausalModel.load(files.weights(), engine, ModelOptions.of(dtype));
                 LoraAdapter adapter = LoraAdapter.load(files.adapter(), model.config(), engine);
                 LoraTrainable trainable = new LoraTrainable(adapter, engine.device());
                 ModelSession session = ModelSession.open(model); PassContext context = PassContext.of(session)) {
                loss.prepare(context, all, Integer.MAX_VALUE);
                dpoValues(file, stored, loss, loss.evaluate(context, AdapterStack.of(adapter.modules()), all));
                double mean = loss.sumAndGradient(context, trainable, all, n) / n;
                check(file, stored, "mean_loss", new float[] {(float) mean},
                    dtype == DType.F32 ? 1e-5 : meanOfPairsLimit(Reference.tensor(stored, "pair_loss")));
                for (Trainable.Parameter parameter : trainable.parameters()) {
                    check(file, stored, "grad." + parameter.name(), parameter.gradient().toFloatArray(),
                        dtype == DType.F32 ? 1e-4 : 3 * torchBfloat16(parameter.name()));
                }
            }
        }

        /** How far PyTorch's own bfloat16 run was from the stored pair losses. */
        private double torchPairLossError() {
            return reference.file(files.expected() + "/bfloat16_run.safetensors").get("tensors").get("dpo.pair_loss")
                .get("bfloat16_rel_error").asDouble();
        }

        /**
         * A mean of a few pair losses can be no closer than they are: with |error| <= limit |pair_loss| for the vector of them, the mean of
         * n is off by at most that over sqrt(n), here relative to the mean.
         */
        private double meanOfPairsLimit(HostTensor pairLoss) {
            double squares = 0;
            double sum = 0;
            float[] losses = pairLoss.toFloatArray();
            for (float loss : losses) {
                squares += (double) loss * loss;
                sum += loss;
            }
            return 3 * torchPairLossError() * Math.sqrt(squares / losses.length) / (sum / losses.length);
        }

        private void dpoValues(String file, Map<String, HostTensor> stored, PreferenceLoss loss, List<PreferenceLoss.PairResult> results) {
            int n = results.size();
            float[] ref = new float[2 * n];
            float[] policy = new float[2 * n];
            float[] rewards = new float[2 * n];
            float[] losses = new float[n];
            for (int i = 0; i < n; i++) {
                PreferenceLoss.PairResult r = results.get(i);
                ref[i] = (float) loss.referenceLogps(i)[0];
                ref[n + i] = (float) loss.referenceLogps(i)[1];
                policy[i] = (float) r.alignedLogp();
                policy[n + i] = (float) r.unalignedLogp();
                rewards[i] = (float) r.alignedReward();
                rewards[n + i] = (float) r.unalignedReward();
                losses[i] = (float) r.loss();
            }
            double values = dtype == DType.F32 ? 1e-5 : 2e-2;
            check(file, stored, "reference_logps", ref, values);
            check(file, stored, "policy_logps", policy, values);
            // Rewards are differences of log-probabilities: their error is that of the log-probabilities, by the ratio of the norms.
            double cancellation = reference.file(file).get("beta").asDouble() * norm(Reference.tensor(stored, "policy_logps"))
                / norm(Reference.tensor(stored, "rewards"));
            check(file, stored, "rewards", rewards, values * Math.max(1, cancellation));
            check(file, stored, "pair_loss", losses, dtype == DType.F32 ? 1e-5 : 3 * torchPairLossError());
        }

        private static double norm(HostTensor tensor) {
            double sum = 0;
            for (float x : tensor.toFloatArray()) {
                sum += (double) x * x;
            }
            return Math.sqrt(sum);
        }

        private void check(String file, Map<String, HostTensor> stored, String name, float[] found, double limit) {
            HostTensor value = Reference.tensor(stored, name);
            if (value == null) {
                table.fail(file, name, "is not in the reference");
            } else {
                table.compare(file, name, found, value, null, budget(file, name, limit));
            }
        }

        private Budget budget(String file, String tensor, double stated) {
            return dtype == DType.F32 ? reference.budget(file, tensor, stated) : Budget.stated(Math.max(stated, 2e-2));
        }

        private double torchBfloat16(String module) {
            JsonNode errors = reference.file(files.expected() + "/bfloat16_run.safetensors").get("lora_grad_bfloat16_rel_error");
            return errors.has(module) ? errors.get(module).asDouble() : worstTorchBfloat16();
        }

        /** PyTorch's own worst error in bfloat16 on a gradient tensor. */
        private double worstTorchBfloat16() {
            double worst = 0;
            for (JsonNode error : reference.file(files.expected() + "/bfloat16_run.safetensors").get("lora_grad_bfloat16_rel_error")) {
                worst = Math.max(worst, error.asDouble());
            }
            return worst;
        }

        /** The rows of a stored batch without their padding; a token counts where {@code marks} is 1, or a label. */
        private List<TokenSequence> sequences(String file, String marks) {
            Map<String, HostTensor> stored = reference.load(file);
            int batch = (int) Reference.tensor(stored, "input_ids").shape().dim(0);
            int length = (int) Reference.tensor(stored, "input_ids").shape().dim(1);
            int[] ids = Reference.tensor(stored, "input_ids").toIntArray();
            int[] mask = Reference.tensor(stored, "attention_mask").toIntArray();
            int[] mark = Reference.tensor(stored, marks).toIntArray();
            boolean labels = marks.equals("labels");
            List<TokenSequence> rows = new ArrayList<>();
            for (int b = 0; b < batch; b++) {
                int from = b * length;
                int real = IntStream.range(from, from + length).map(i -> mask[i]).sum();
                int[] rowIds = Arrays.copyOfRange(ids, from, from + real);
                boolean[] counted = new boolean[real];
                for (int t = 0; t < real; t++) {
                    counted[t] = labels ? mark[from + t] != Labels.IGNORE_INDEX : mark[from + t] == 1;
                    if (labels && counted[t]) {
                        table.equal(file, "labels that are ids", mark[from + t], rowIds[t]);
                    }
                }
                rows.add(new TokenSequence(rowIds, counted));
            }
            return rows;
        }
    }
}
