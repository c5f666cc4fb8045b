package io.sails4j.monitor;

import io.sails4j.model.Site;
import io.sails4j.model.StreamProbe;
import io.sails4j.tensor.Tensor;
import io.sails4j.tensor.TensorArena;
import java.util.ArrayList;
import java.util.List;

/** What a monitor has read of some rows: codes by watch. */
sealed class MonitorReadings implements StreamProbe.Readings permits DeviceReadings {
    private final List<HostCodes> codes;

    MonitorReadings(List<HostCodes> codes) {
        this.codes = codes;
    }

    /** Those of one of the monitor's watches. */
    final HostCodes codes(int watch) {
        return codes.get(watch);
    }

    @Override
    public final StreamProbe.Readings kept(int rows) {
        List<HostCodes> copies = new ArrayList<>();
        codes.forEach(one -> copies.add(one.first(rows)));
        return new MonitorReadings(copies);
    }

    @Override
    public void edit(Site site, int layer, Tensor stream, TensorArena memory) {
        throw new IllegalStateException("kept readings read nothing");
    }

    @Override
    public void fetch() {
        // It is here.
    }

    @Override
    public void clear(int row, int count) {
        // Nothing is changed.
    }

    @Override
    public void close() {
        // It is Java's.
    }
}
