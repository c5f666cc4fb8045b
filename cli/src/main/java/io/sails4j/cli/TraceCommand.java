package io.sails4j.cli;

import com.fasterxml.jackson.databind.node.ObjectNode;
import io.sails4j.files.AtomicFiles;
import io.sails4j.io.SafetensorsWriter;
import io.sails4j.model.CausalModel;
import io.sails4j.model.TokenBatch;
import io.sails4j.ops.Engine;
import io.sails4j.tensor.HostTensor;
import io.sails4j.trace.BatchFile;
import io.sails4j.trace.Trace;
import java.nio.file.Path;
import java.util.Locale;
import java.util.Map;
import java.util.SequencedMap;
import java.util.concurrent.Callable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;

@Command(name = "trace", description = "Write everything that a model computes on one batch, with gradients if asked.")
final class TraceCommand implements Callable<Integer> {
    @Mixin
    private CommonOptions common;

    @Mixin
    private ModelArguments arguments;

    @Option(names = "--batch", required = true, paramLabel = "FILE",
        description = "safetensors with input_ids, attention_mask [B, T] and optionally labels (-100 = not counted), position_ids")
    private Path batch;

    @Option(names = "--out", required = true, paramLabel = "FILE", description = "safetensors file to write")
    private Path out;

    @Option(names = "--gradients", defaultValue = "none", paramLabel = "none|hidden|lora|all",
        description = "gradients of the mean loss: of hidden states and logits, of the last adapter, of every parameter (default: none)")
    private Trace.Gradients gradients;

    @Override
    public Integer call() {
        AtomicFiles.requireWritableFile(out);
        TokenBatch tokens = BatchFile.read(batch);
        try (Engine engine = common.openEngine(); CausalModel model = arguments.load(engine, common);
             ModelArguments.Opened adapters = arguments.openAdapters(model.config(), engine, common)) {
            long start = System.nanoTime();
            SequencedMap<String, HostTensor> results = Trace.run(model, adapters.stack(), tokens, gradients);
            double seconds = (System.nanoTime() - start) * 1e-9;
            SafetensorsWriter.write(out, results, Map.of("compute_dtype", model.computeDtype().name()));
            ObjectNode json = CommonOptions.object();
            Table table = Table.ofPairs();
            json.put("tensors", results.size());
            table.row("tensors", results.size());
            HostTensor loss = results.get("mean_loss");
            if (loss != null) {
                json.put("mean_loss", loss.toFloatArray()[0]);
                table.row("mean loss", loss.toFloatArray()[0]);
            }
            json.put("tokens_per_s", tokens.size() / seconds).put("peak_device_bytes", engine.device().peakBytes());
            table.row("tokens/s", String.format(Locale.ROOT, "%.0f", tokens.size() / seconds));
            json.put("out", out.toString());
            table.row("written", out);
            common.print(json, table);
        }
        return 0;
    }
}
