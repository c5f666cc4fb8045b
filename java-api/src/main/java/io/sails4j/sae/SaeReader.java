package io.sails4j.sae;

import io.sails4j.tensor.Tensor;
import io.sails4j.tensor.TensorArena;
import java.util.Arrays;
import org.jspecify.annotations.Nullable;

/**
 * Reads some features of an SAE, or all, into tensors that the caller has. Of a few features it computes those alone, d_in products each in
 * place of the whole encoder's; where which features are active depends on all of them (top-k), the whole encoder.
 */
public final class SaeReader implements AutoCloseable {
    private final Sae sae;
    private final SaeEncoder encoder;
    private final TensorArena memory;
    private final int[] features;
    private final int width;

    private SaeReader(Sae sae, SaeEncoder encoder, int[] features, int width, TensorArena memory) {
        this.sae = sae;
        this.encoder = encoder;
        this.features = features;
        this.width = width;
        this.memory = memory;
    }

    /**
     * A reader of some features. The SAE must stay open longer.
     *
     * @param ids rising, of features that the SAE has
     */
    public static SaeReader of(Sae sae, int[] ids) {
        TensorArena memory = sae.newMemory();
        try {
            return sae.config().architecture() == SaeConfig.Architecture.TOPK
                ? new SaeReader(sae, sae.encoder(), new int[0], sae.config().k(), memory)
                : new SaeReader(sae, sae.encoder().of(ids, sae.encoderColumns(ids), sae.inputShift(), memory), ids.clone(), ids.length,
                    memory);
        } catch (RuntimeException | Error e) {
            memory.close();
            throw e;
        }
    }

    /** A reader of all features. The SAE must stay open longer. */
    public static SaeReader ofAll(Sae sae) {
        boolean topK = sae.config().architecture() == SaeConfig.Architecture.TOPK;
        return new SaeReader(sae, sae.encoder(), new int[0], topK ? sae.config().k() : Math.toIntExact(sae.config().dSae()),
            sae.newMemory());
    }

    /** The SAE, which must stay open. */
    public Sae sae() {
        return sae;
    }

    /** What the indices count: ids of features by index, rising; empty where indices are ids themselves. */
    public int[] features() {
        return features.clone();
    }

    /** The most features that may be active at a token. */
    public int width() {
        return width;
    }

    /** The feature's id that an index means. */
    public int id(int index) {
        return features.length == 0 ? index : features[index];
    }

    /** The index of a feature's id, negative where it is not read. */
    public int index(int id) {
        return features.length == 0 ? id : Arrays.binarySearch(features, id);
    }

    /**
     * Queues the reading of x [n_tokens, d_in] F32, and looks at nothing on the host.
     *
     * @param indices [n_tokens, capacity] I32, rising in each row
     * @param values [n_tokens, capacity] F32
     * @param counts [n_tokens] I32, of all active features: where it is more than the capacity, those of higher ids are not there
     * @param scratch for what the SAE does with x before
     * @return the codes in those tensors
     */
    public SparseCodes read(Tensor indices, Tensor values, Tensor counts, Tensor x, TensorArena scratch) {
        return sae.encodeInto(encoder, features.length > 0, indices, values, counts, x, scratch);
    }

    /**
     * {@link #read} of the same tensors again and again, without objects on Java's heap; null where the SAE does something with x before,
     * which needs memory.
     */
    public @Nullable Runnable prepared(Tensor indices, Tensor values, Tensor counts, Tensor x) {
        boolean direct = !sae.config().layerNorm() && (features.length > 0 || !sae.config().applyBDecToInput());
        return direct ? sae.prepared(encoder, indices, values, counts, x) : null;
    }

    /** Frees what it has for itself; a second call does nothing. */
    @Override
    public void close() {
        memory.close();
    }
}
