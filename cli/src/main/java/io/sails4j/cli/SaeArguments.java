package io.sails4j.cli;

import io.sails4j.files.FileHash;
import io.sails4j.hub.HubCache;
import io.sails4j.ops.Engine;
import io.sails4j.sae.Sae;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.SortedMap;
import java.util.TreeMap;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/** SAEs given as LAYER=PATH. */
final class SaeArguments {
    private static final Pattern LAYER_AND_PATH = Pattern.compile("(\\d{1,9})=(.+)");

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

    /** Layers and paths as they were given; each layer once. */
    static SortedMap<Integer, Path> parse(List<String> given, CommonOptions common) {
        SortedMap<Integer, Path> paths = new TreeMap<>();
        for (String argument : given) {
            Matcher matcher = LAYER_AND_PATH.matcher(argument);
            if (!matcher.matches()) {
                throw common.wrong("--sae " + argument + " names no layer; expected LAYER=PATH: the SAE in PATH is used on the residual "
                    + "stream after LAYER, a number that counts from 0");
            }
            Path other = paths.put(Integer.valueOf(matcher.group(1)), Path.of(matcher.group(2)));
            if (other != null) {
                throw common.wrong("--sae names layer " + matcher.group(1) + " twice, with " + other + " and " + matcher.group(2)
                    + "; one SAE can be used on a layer");
            }
        }
        return paths;
    }

    /** Opens them and checks that none belongs to another layer. */
    static Opened open(SortedMap<Integer, Path> paths, Engine engine) {
        SortedMap<Integer, Sae> saes = new TreeMap<>();
        try {
            paths.forEach((layer, path) -> {
                Sae sae = Sae.load(HubCache.ofSystem().locate(path), engine);
                saes.put(layer, sae);
                sae.requireLayer(layer);
            });
            return new Opened(saes);
        } catch (RuntimeException e) {
            saes.values().forEach(Sae::close);
            throw e;
        }
    }
}
