package io.sails4j.explain;

import io.sails4j.io.SafetensorsWriter;
import io.sails4j.tensor.DType;
import io.sails4j.tensor.HostTensor;
import io.sails4j.tensor.Shape;
import java.lang.foreign.MemorySegment;
import java.nio.file.Path;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.SequencedMap;
import java.util.SortedMap;
import java.util.TreeMap;
import java.util.function.ToDoubleBiFunction;

/**
 * A corpus and the statistics of all features on it.
 *
 * @param layers by the layer of each SAE
 */
public record ScannedCorpus(Corpus corpus, SortedMap<Integer, CorpusStatistics> layers) {
    public ScannedCorpus {
        layers = Collections.unmodifiableSortedMap(new TreeMap<>(layers));
    }

    /**
     * Writes the statistics of all features as safetensors: {@code layer.N.count}, {@code .sum}, {@code .sum_squares} and {@code .maximum},
     * each [2, d_sae] F64, aligned answers first, and {@code layer.N.tokens} [2] F64.
     */
    public void write(Path file) {
        SequencedMap<String, HostTensor> tensors = new LinkedHashMap<>();
        layers.forEach((layer, statistics) -> {
            String prefix = "layer." + layer + ".";
            tensors.put(prefix + "count", table(statistics, statistics::count));
            tensors.put(prefix + "sum", table(statistics, statistics::sum));
            tensors.put(prefix + "sum_squares", table(statistics, statistics::sumSquares));
            tensors.put(prefix + "maximum", table(statistics, statistics::maximum));
            tensors.put(prefix + "tokens", doubles(new double[] {statistics.tokens(CorpusStatistics.ALIGNED),
                statistics.tokens(CorpusStatistics.UNALIGNED)}, 2));
        });
        SafetensorsWriter.write(file, tensors, Map.of("format", "sails4j.feature_statistics.1", "data.sha256", corpus.source().sha256()));
    }

    private static HostTensor table(CorpusStatistics statistics, ToDoubleBiFunction<Integer, Integer> of) {
        int dSae = statistics.dSae();
        double[] values = new double[2 * dSae];
        for (int i = 0; i < values.length; i++) {
            values[i] = of.applyAsDouble(i / dSae, i % dSae);
        }
        return doubles(values, 2, dSae);
    }

    private static HostTensor doubles(double[] values, long... dims) {
        MemorySegment bytes = MemorySegment.ofArray(new byte[values.length * Double.BYTES]);
        MemorySegment.copy(MemorySegment.ofArray(values), 0, bytes, 0, bytes.byteSize());
        return new HostTensor(DType.F64, Shape.of(dims), bytes);
    }
}
