package io.sails4j.cli;

import com.fasterxml.jackson.databind.node.ObjectNode;
import io.sails4j.InputException;
import io.sails4j.files.AtomicFiles;
import io.sails4j.hub.HubCache;
import io.sails4j.io.SafetensorsFile;
import io.sails4j.io.SafetensorsWriter;
import io.sails4j.io.TensorPlace;
import io.sails4j.model.Site;
import io.sails4j.ops.Engine;
import io.sails4j.sae.Sae;
import io.sails4j.sae.SaeHook;
import io.sails4j.sae.SaeMetrics;
import io.sails4j.sae.SparseCodes;
import io.sails4j.tensor.DType;
import io.sails4j.tensor.HostTensor;
import io.sails4j.tensor.Tensor;
import io.sails4j.tensor.TensorArena;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.Locale;
import java.util.Map;
import java.util.SequencedMap;
import java.util.concurrent.Callable;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;

@Command(name = "encode", description = "Encode vectors with a sparse autoencoder: sparse codes, reconstruction, L0, FVU.")
final class EncodeCommand implements Callable<Integer> {
    private static final Pattern RESIDUAL = Pattern.compile("hidden\\.layer\\.(\\d{1,9})");
    private static final Pattern OTHER_SITE = Pattern.compile("(grad\\.)?(hidden|attn_out|mlp_out)\\..*");

    @Mixin
    private CommonOptions common;

    @Option(names = "--sae", required = true, paramLabel = "PATH",
        description = "Gemma Scope params.npz (or its directory), a SAELens, sparsify or Llama Scope directory, or ORG/NAME/DIR in the"
            + " hub's cache")
    private Path saePath;

    @Option(names = "--input", required = true, paramLabel = "FILE[:TENSOR]",
        description = "safetensors file and tensor [..., d_in]; the tensor may be left out if the file has one floating-point tensor")
    private String input;

    @Option(names = "--out", required = true, paramLabel = "FILE",
        description = "safetensors to write: indices, values [tokens, capacity], counts [tokens], recon [tokens, d_in]")
    private Path out;

    @Option(names = "--dense", description = "also write acts [tokens, d_sae]")
    private boolean dense;

    @Override
    public Integer call() {
        AtomicFiles.requireWritableFile(out);
        try (Engine engine = common.openEngine(); Sae sae = Sae.load(HubCache.ofSystem().locate(saePath), engine);
             TensorArena memory = new TensorArena(engine.device())) {
            float[] x = readInput(sae);
            long dIn = sae.config().dIn();
            long n = x.length / dIn;
            Tensor given = memory.of(x, n, dIn);
            SparseCodes codes = sae.encode(given, memory);
            float[] recon = sae.decode(codes, memory).toFloatArray();
            SequencedMap<String, HostTensor> results = results(sae, codes, recon, n, memory);
            SafetensorsWriter.write(out, results, Map.of());
            SaeMetrics metrics = SaeMetrics.of(x, recon, (int) dIn, codes.l0());
            ObjectNode json = CommonOptions.object().put("tokens", n).put("l0", metrics.l0()).put("fvu", metrics.fvu())
                .put("mse", metrics.mse())
                .put("out", out.toString());
            common.print(json, Table.ofPairs().row("tokens", n).row("L0", String.format(Locale.ROOT, "%.3f", metrics.l0()))
                .row("FVU", String.format(Locale.ROOT, "%.6f", metrics.fvu())).row("MSE", String.format(Locale.ROOT, "%.6g", metrics.mse()))
                .row("written", out));
        }
        return 0;
    }

    private SequencedMap<String, HostTensor> results(Sae sae, SparseCodes codes, float[] recon, long n, TensorArena memory) {
        SequencedMap<String, HostTensor> results = new LinkedHashMap<>();
        int[] indices = codes.indices().toIntArray();
        float[] values = codes.values().toFloatArray();
        int[] counts = codes.counts().toIntArray();
        int capacity = (int) codes.capacity();
        // Free slots mean nothing in memory; in a file they are -1 and 0.
        for (int t = 0; t < counts.length; t++) {
            for (int j = counts[t]; j < capacity; j++) {
                indices[t * capacity + j] = -1;
                values[t * capacity + j] = 0;
            }
        }
        results.put("indices", HostTensor.ofInts(indices, n, capacity));
        results.put("values", HostTensor.ofFloats(values, n, capacity));
        results.put("counts", HostTensor.ofInts(counts, n));
        results.put("recon", HostTensor.ofFloats(recon, n, sae.config().dIn()));
        if (dense) {
            results.put("acts", sae.densify(codes, memory).toHost());
        }
        return results;
    }

    private float[] readInput(Sae sae) {
        TensorPlace place = TensorPlace.parse(input);
        Path path = place.path();
        try (SafetensorsFile file = SafetensorsFile.open(path)) {
            String name = place.nameAmong(file.names(), file::tensor);
            HostTensor tensor = file.tensor(name);
            if (!tensor.dtype().isFloating() || tensor.dtype() == DType.F64 && tensor.shape().rank() == 0
                || tensor.shape().rank() < 1 || tensor.shape().dim(-1) != sae.config().dIn()) {
                throw new InputException(
                    path + ": tensor '" + name + "' is " + tensor.dtype() + " " + tensor.shape() + ", but " + sae.path()
                        + " reads floating-point vectors of d_in = " + sae.config().dIn());
            }
            requireItsPlace(sae, path, name);
            return tensor.toFloatArray();
        }
    }

    /** Where the tensor's name is one of `sails trace`, it tells where the vectors are from. */
    private static void requireItsPlace(Sae sae, Path path, String name) {
        SaeHook hook = sae.hook();
        Matcher layer = RESIDUAL.matcher(name);
        boolean embedding = name.equals(Site.EMBED.title(Site.NO_LAYER));
        if (layer.matches()) {
            sae.requireLayer(Integer.parseInt(layer.group(1)));
        } else if (embedding && hook.place() == SaeHook.Place.RESIDUAL) {
            sae.requireLayer(SaeHook.EMBEDDING);
        } else if (OTHER_SITE.matcher(name).matches() && hook.place() != SaeHook.Place.UNTOLD) {
            throw new InputException(path + ": tensor '" + name + "' has a name of `sails trace`, which is not the place that " + sae.path()
                + " belongs to: '" + hook.name() + "', " + hook.describe() + "; give vectors of that place, under another name");
        }
    }
}
