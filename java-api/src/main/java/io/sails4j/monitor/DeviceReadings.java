package io.sails4j.monitor;

import io.sails4j.model.Site;
import io.sails4j.sae.SparseCodes;
import io.sails4j.tensor.DType;
import io.sails4j.tensor.Device;
import io.sails4j.tensor.Tensor;
import io.sails4j.tensor.TensorArena;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import org.jspecify.annotations.Nullable;

/** Reads rows on the device by a monitor's watches, and pushes features of rows that are steered. */
final class DeviceReadings extends MonitorReadings {
    private final TensorArena memory;
    private final List<Place> places = new ArrayList<>();

    /** A watch's tensors, and how the stream of a decoding step, which is always the same tensor, is read into them. */
    private static final class Place {
        private final LayerWatch watch;
        private final HostCodes host;
        private final Tensor indices;
        private final Tensor values;
        private final Tensor counts;
        private final @Nullable Push push;
        private @Nullable Tensor stream;
        private @Nullable Runnable prepared;

        Place(LayerWatch watch, HostCodes host, TensorArena memory, int rows, @Nullable Push push) {
            this.watch = watch;
            this.host = host;
            this.indices = memory.allocate(DType.I32, rows, watch.capacity());
            this.values = memory.allocate(DType.F32, rows, watch.capacity());
            this.counts = memory.allocate(DType.I32, rows);
            this.push = push;
        }

        void read(Tensor x, TensorArena scratch) {
            if (x == stream && prepared != null) {
                prepared.run();
                return;
            }
            long n = x.dim(0);
            if (push == null && n == counts.dim(0)) {
                stream = x;
                prepared = watch.reader().prepared(indices, values, counts, x);
            }
            SparseCodes z = watch.reader().read(first(indices, n), first(values, n), first(counts, n), x, scratch);
            if (push != null) {
                watch.reader().sae().addChange(x, z, first(push.features, n), first(push.by, n), first(push.counts, n), scratch);
            }
        }
    }

    /**
     * Changes of a layer's features by rows.
     *
     * @param features [rows, features] I32
     * @param by [rows, features] F32
     * @param counts [rows] I32
     * @param host what {@code by} holds
     */
    private record Push(Tensor features, Tensor by, Tensor counts, float[] host) {
        int width() {
            return Math.toIntExact(by.dim(1));
        }
    }

    private DeviceReadings(List<HostCodes> host, TensorArena memory) {
        super(host);
        this.memory = memory;
    }

    /** @param steered by watch, the features that rules may push; null for none */
    static DeviceReadings open(Device device, List<LayerWatch> watches, List<int @Nullable []> steered, int rows) {
        TensorArena memory = new TensorArena(device);
        try {
            List<HostCodes> host = watches.stream().map(watch -> new HostCodes(rows, watch.capacity())).toList();
            DeviceReadings readings = new DeviceReadings(host, memory);
            for (int i = 0; i < watches.size(); i++) {
                int[] features = steered.get(i);
                readings.places.add(new Place(watches.get(i), host.get(i), memory, rows,
                    features == null ? null : push(memory, features, rows)));
            }
            return readings;
        } catch (RuntimeException | Error e) {
            memory.close();
            throw e;
        }
    }

    private static Push push(TensorArena memory, int[] features, int rows) {
        int[] all = new int[rows * features.length];
        Arrays.setAll(all, i -> features[i % features.length]);
        int[] counts = new int[rows];
        Arrays.fill(counts, features.length);
        float[] by = new float[all.length];
        return new Push(memory.of(all, rows, features.length), memory.of(by, rows, features.length), memory.of(counts, rows), by);
    }

    @Override
    public boolean changes(Site site, int layer) {
        if (site == Site.LAYER) {
            for (Place place : places) {
                if (place.push != null && place.watch.layer() == layer) {
                    return true;
                }
            }
        }
        return false;
    }

    @Override
    public void edit(Site site, int layer, Tensor stream, TensorArena scratch) {
        for (int i = 0; site == Site.LAYER && i < places.size(); i++) {
            Place place = places.get(i);
            if (place.watch.layer() == layer) {
                place.read(stream, scratch);
            }
        }
    }

    private static Tensor first(Tensor tensor, long rows) {
        return rows == tensor.dim(0) ? tensor : tensor.rows(0, rows);
    }

    @Override
    public void fetch() {
        for (int i = 0; i < places.size(); i++) {
            Place place = places.get(i);
            place.indices.download(place.host.indexBytes());
            place.values.download(place.host.valueBytes());
            place.counts.download(place.host.countBytes());
        }
    }

    @Override
    public void clear(int row, int count) {
        for (int i = 0; i < places.size(); i++) {
            Push push = places.get(i).push;
            if (push != null) {
                steer(i, row, count, new float[push.width()]);
            }
        }
    }

    /** From now on features of a watch's layer are pushed by these numbers in some rows. */
    void steer(int watch, int row, int count, float[] by) {
        Push push = places.get(watch).push;
        if (push == null) {
            throw new IllegalStateException("the watch steers nothing");
        }
        boolean same = true;
        for (int i = row; i < row + count; i++) {
            same &= Arrays.equals(push.host, i * by.length, (i + 1) * by.length, by, 0, by.length);
            System.arraycopy(by, 0, push.host, i * by.length, by.length);
        }
        if (!same) {
            push.by.upload(push.host);
        }
    }

    @Override
    public void close() {
        memory.close();
    }
}
