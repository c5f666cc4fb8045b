package io.sails4j.cli;

import io.sails4j.InputException;
import io.sails4j.files.FileHash;
import io.sails4j.hub.HubCache;
import io.sails4j.ops.Engine;
import io.sails4j.sae.Sae;
import java.nio.file.Path;
import java.util.Map;
import java.util.SortedMap;
import java.util.TreeMap;

/** SAEs given as LAYER=PATH. */
final class SaeArguments {
    private SaeArguments() {
    }

    /** SAEs by layer; closing frees them. */
    record Opened(SortedMap<Integer, Sae> saes) implements AutoCloseable {
        @Override
        public void close() {
            saes.values().forEach(Sae::close);
        }

        /** What the subspace file says about its SAEs. */
        void describe(Map<String, String> provenance) {
            saes.forEach((layer, sae) -> provenance.put("sae." + layer + ".sha256", FileHash.sha256(sae.path())));
        }
    }

    static Opened open(Map<Integer, Path> paths, Engine engine) {
        SortedMap<Integer, Sae> saes = new TreeMap<>();
        try {
            new TreeMap<>(paths).forEach((layer, path) -> {
                if (layer < 0) {
                    throw new InputException("--sae " + layer + "=" + path + ": layers count from 0");
                }
                saes.put(layer, Sae.load(HubCache.ofSystem().locate(path), engine));
            });
            return new Opened(saes);
        } catch (RuntimeException e) {
            saes.values().forEach(Sae::close);
            throw e;
        }
    }
}
