package io.sails4j.parity;

import io.sails4j.ops.Engine;
import io.sails4j.sae.Sae;
import io.sails4j.sae.SparseCodes;
import io.sails4j.tensor.DType;
import io.sails4j.tensor.HostTensor;
import io.sails4j.tensor.Tensor;
import io.sails4j.tensor.TensorArena;
import java.util.List;
import java.util.Map;

/** Every SAE of the reference: activations, reconstruction, active counts, gradients. */
final class SaeParity {
    private final Reference reference;

    SaeParity(Reference reference) {
        this.reference = reference;
    }

    void run(Engine engine, ParityTable table) {
        try (TensorArena memory = new TensorArena(engine.device())) {
            for (String directory : reference.filesUnder("sae/")) {
                try (Sae sae = Sae.load(reference.path(directory), engine)) {
                    check(table, directory, sae, engine, memory);
                }
                memory.reset();
            }
        }
    }

    private void check(ParityTable table, String directory, Sae sae, Engine engine, TensorArena memory) {
        Map<String, HostTensor> stored = reference.load(directory + "/expected.safetensors");
        long dIn = sae.config().dIn();
        long dSae = sae.config().dSae();
        HostTensor given = Reference.tensor(stored, "x");
        int n = (int) (given.shape().numel() / dIn);
        Tensor x = memory.of(given.toFloatArray(), n, dIn);
        SparseCodes codes = sae.encode(x, memory);
        Tensor recon = sae.decode(codes, memory);
        table.compare(directory, "acts", sae.densify(codes, memory).toFloatArray(), Reference.tensor(stored, "acts"), null,
            reference.budget(directory, "acts", 1e-5));
        table.equal(directory, "active_count", codes.counts().toIntArray(), Reference.tensor(stored, "active_count").toIntArray());
        table.compare(directory, "recon", recon.toFloatArray(), Reference.tensor(stored, "recon"), null,
            reference.budget(directory, "recon", 1e-5));

        Tensor gRecon = memory.of(Reference.tensor(stored, "g_recon").toFloatArray(), n, dIn);
        table.compare(directory, "vjp_recon_x", sae.reconstructionBackward(codes, gRecon, memory).toFloatArray(),
            Reference.tensor(stored, "vjp_recon_x"),
            null, reference.budget(directory, "vjp_recon_x", 1e-4));
        Tensor dValues = memory.of(gathered(Reference.tensor(stored, "g_acts").toFloatArray(), codes, (int) dSae), n, codes.capacity());
        table.compare(directory, "vjp_acts_x", sae.encodeBackward(codes, dValues, memory).toFloatArray(),
            Reference.tensor(stored, "vjp_acts_x"), null,
            reference.budget(directory, "vjp_acts_x", 1e-4));
        loss(table, directory, stored, sae, engine, memory, x, codes, recon);
    }

    /** loss = mean over rows of |x^ - x|^2; its gradient flows through the encoder and through the target. */
    private void loss(ParityTable table, String directory, Map<String, HostTensor> stored, Sae sae, Engine engine, TensorArena memory,
        Tensor x,
        SparseCodes codes, Tensor recon) {
        long n = x.dim(0);
        Tensor difference = memory.allocate(DType.F32, n, x.dim(1));
        difference.copyFrom(recon);
        engine.ops().elementwise().axpby(difference, x, -1, 1);
        double loss = engine.ops().elementwise().sumOfSquares(List.of(difference))[0] / n;
        table.compare(directory, "loss", new float[] {(float) loss}, Reference.tensor(stored, "loss"), null,
            reference.budget(directory, "loss", 1e-5));
        engine.ops().elementwise().axpby(difference, difference, 0, 2f / n);
        Tensor dx = sae.reconstructionBackward(codes, difference, memory);
        engine.ops().elementwise().axpby(dx, difference, -1, 1);
        table.compare(directory, "loss_grad_x", dx.toFloatArray(), Reference.tensor(stored, "loss_grad_x"), null,
            reference.budget(directory, "loss_grad_x", 1e-4));
    }

    /** The dense gradient's entries at the active features. */
    private static float[] gathered(float[] dense, SparseCodes codes, int dSae) {
        int[] indices = codes.indices().toIntArray();
        int[] counts = codes.counts().toIntArray();
        int capacity = (int) codes.capacity();
        float[] values = new float[indices.length];
        for (int t = 0; t < counts.length; t++) {
            for (int j = 0; j < counts[t]; j++) {
                values[t * capacity + j] = dense[t * dSae + indices[t * capacity + j]];
            }
        }
        return values;
    }
}
