package io.sails4j.objective;

import io.sails4j.io.SafetensorsFile;
import io.sails4j.io.SafetensorsWriter;
import io.sails4j.tensor.DType;
import io.sails4j.tensor.HostTensor;
import io.sails4j.tensor.Shape;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteOrder;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.SequencedMap;

/**
 * The reference log-probabilities of a DPO run on disk, {@code aligned} and {@code unaligned} [pairs] F64 (NaN where a pair was not
 * needed), so that a run that goes on does not pass the data through the reference again.
 */
public final class ReferenceCache {
    private static final ValueLayout.OfDouble F64 = ValueLayout.JAVA_DOUBLE_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);

    private final Path path;

    public ReferenceCache(Path path) {
        this.path = path;
    }

    /** Gives the loss what is stored; nothing where there is no file or it is of another number of pairs. */
    public void load(Loss loss) {
        if (!(loss instanceof PreferenceLoss dpo) || !dpo.keepsReference() || !Files.exists(path)) {
            return;
        }
        try (SafetensorsFile file = SafetensorsFile.open(path)) {
            MemorySegment aligned = file.tensor("aligned").data();
            MemorySegment unaligned = file.tensor("unaligned").data();
            if (aligned.byteSize() != 8L * dpo.size() || unaligned.byteSize() != 8L * dpo.size()) {
                return;
            }
            for (int i = 0; i < dpo.size(); i++) {
                double a = aligned.get(F64, 8L * i);
                if (!Double.isNaN(a)) {
                    dpo.setReferenceLogps(i, a, unaligned.get(F64, 8L * i));
                }
            }
        }
    }

    /** Writes what the loss knows. */
    public void save(Loss loss) {
        if (!(loss instanceof PreferenceLoss dpo) || !dpo.keepsReference()) {
            return;
        }
        double[] aligned = new double[dpo.size()];
        double[] unaligned = new double[dpo.size()];
        Arrays.fill(aligned, Double.NaN);
        Arrays.fill(unaligned, Double.NaN);
        for (int i = 0; i < aligned.length; i++) {
            if (dpo.hasReferenceLogps(i)) {
                double[] pair = dpo.referenceLogps(i);
                aligned[i] = pair[0];
                unaligned[i] = pair[1];
            }
        }
        SequencedMap<String, HostTensor> tensors = new LinkedHashMap<>();
        tensors.put("aligned", new HostTensor(DType.F64, Shape.of(aligned.length), MemorySegment.ofArray(aligned)));
        tensors.put("unaligned", new HostTensor(DType.F64, Shape.of(unaligned.length), MemorySegment.ofArray(unaligned)));
        SafetensorsWriter.write(path, tensors, Map.of());
    }
}
