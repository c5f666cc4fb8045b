package io.sails4j.monitor;

import io.sails4j.data.TokenSequence;
import io.sails4j.model.AdapterStack;
import io.sails4j.model.ForwardOptions;
import io.sails4j.model.ModelSession;
import io.sails4j.model.TokenBatch;
import io.sails4j.sae.Sae;
import io.sails4j.sae.SaeReader;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.SortedMap;
import org.jspecify.annotations.Nullable;

/** Reads features of whole texts as a monitor reads them of sequences. */
final class SignalReader implements AutoCloseable {
    private final ModelSession session;
    private final AdapterStack adapters;
    private final List<LayerWatch> watches = new ArrayList<>();
    private final DeviceReadings readings;
    private final List<int[]> indices = new ArrayList<>();
    private final int last;

    /** @param longest tokens of a text */
    SignalReader(ModelSession session, AdapterStack adapters, Map<Integer, Sae> saes, SortedMap<Integer, int[]> features, int longest) {
        this.session = session;
        this.adapters = adapters;
        this.last = features.lastKey();
        try {
            features
                .forEach((layer, ids) -> watches.add(new LayerWatch(layer, SaeReader.of(Objects.requireNonNull(saes.get(layer)), ids))));
            watches.forEach(watch -> indices.add(Arrays.stream(Objects.requireNonNull(features.get(watch.layer())))
                .map(watch.reader()::index).toArray()));
            List<int @Nullable []> steered = new ArrayList<>(Collections.nCopies(watches.size(), (int[]) null));
            this.readings = DeviceReadings.open(session.model().engine().device(), watches, steered, longest);
        } catch (RuntimeException | Error e) {
            watches.forEach(LayerWatch::close);
            throw e;
        }
    }

    /** Layers with their readers, in the order of {@link #codes}. */
    List<LayerWatch> watches() {
        return watches;
    }

    /** Reads a text; what it had of the one before is gone. */
    void read(TokenSequence tokens) {
        session.forward(TokenBatch.of(tokens.ids()), adapters, new ForwardOptions(false, last, null).withEdit(readings)).close();
        readings.fetch();
    }

    /** Where a watch's features stand in its codes, in the order of the features. */
    int[] indices(int watch) {
        return indices.get(watch);
    }

    /** What a watch has read of the latest text, by token. */
    HostCodes codes(int watch) {
        return readings.codes(watch);
    }

    @Override
    public void close() {
        readings.close();
        watches.forEach(LayerWatch::close);
    }
}
