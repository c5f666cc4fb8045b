package io.sails4j.model;

import io.sails4j.tensor.DType;
import java.util.Set;
import java.util.stream.Collectors;
import java.util.stream.Stream;

/** How a model's big matrices are kept: as the checkpoint has them, or quantized when it is loaded. Norms stay in F32. */
public enum WeightFormat {
    /** As the checkpoint has them, in the compute type where that is not quantized. */
    CHECKPOINT,
    /** All of them in 8 bits, 8.5 bits a weight with the scales. */
    INT8,
    /** Projections in 4 bits, 4.5 with the scales; embedding and output matrix, which are most sensitive, in 8. */
    INT4;

    /** That of matrices of some types. */
    static WeightFormat of(Stream<DType> types) {
        Set<DType> all = types.collect(Collectors.toSet());
        return all.contains(DType.Q4) ? INT4 : all.contains(DType.Q8) ? INT8 : CHECKPOINT;
    }

    /** The packed type of a projection, or of the embedding or output matrix. */
    DType packedType(boolean projection) {
        return this == INT4 && projection ? DType.Q4 : DType.Q8;
    }
}
