package io.sails4j.cli;

import io.sails4j.InputException;
import io.sails4j.config.ModelConfig;
import io.sails4j.data.ControlTokens;
import io.sails4j.data.Message;
import io.sails4j.data.PreferencePair;
import io.sails4j.data.PreferenceReader;
import io.sails4j.demo.BpeTrainer;
import io.sails4j.files.AtomicFiles;
import io.sails4j.model.ModelWeights;
import io.sails4j.ops.Engine;
import io.sails4j.tensor.DType;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.concurrent.Callable;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;

@Command(name = "init",
    description = "Write a model with random weights in a given shape, to measure speed and memory or to train from nothing.")
final class InitCommand implements Callable<Integer> {
    @Mixin
    private CommonOptions common;

    @Option(names = "--shape", required = true, paramLabel = "NAME|FILE",
        description = "2b, 9b, 27b (Gemma-2), llama-3.1-8b, llama-3.2-1b, llama-3.2-3b or a config.json")
    private String shape;

    @Option(names = "--tokenizer-data", paramLabel = "FILE",
        description = "preference data to learn a byte-pair tokenizer of the shape's vocabulary from")
    private @Nullable Path tokenizerData;

    @Option(names = "--out", required = true, paramLabel = "DIR", description = "model directory to write")
    private Path out;

    @Override
    public Integer call() {
        ModelConfig read = Files.isRegularFile(Path.of(shape)) ? ModelConfig.readFile(Path.of(shape)) : ModelConfig.named(shape);
        ModelConfig config = tokenizerData == null ? read : ControlTokens.learntFor(read);
        AtomicFiles.requireFresh(out);
        DType dtype = config.checkpointDtype() == DType.F32 ? DType.F32 : DType.BF16;
        try (Engine engine = common.openEngine(); ModelWeights weights = ModelWeights.random(config, engine, dtype, common.seed())) {
            AtomicFiles.writeDirectory(out, directory -> {
                weights.writeInto(directory, engine);
                if (tokenizerData != null) {
                    int size = BpeTrainer.train(texts(tokenizerData), Math.toIntExact(config.vocabSize()),
                        ControlTokens.of(config.family()),
                        directory.resolve("tokenizer.json"));
                    common.message("tokenizer: " + size + " tokens of " + config.vocabSize() + " learnt from " + tokenizerData);
                }
            });
        }
        common.print(CommonOptions.object().put("parameters", config.parameterCount()).put("out", out.toString()),
            Table.ofPairs().row("parameters", String.format(Locale.ROOT, "%,d", config.parameterCount())).row("written", out));
        return 0;
    }

    private static List<String> texts(Path data) {
        List<String> texts = new ArrayList<>();
        for (PreferencePair pair : PreferenceReader.read(data).pairs()) {
            pair.prompt().stream().map(Message::content).forEach(texts::add);
            texts.add(pair.chosen());
            texts.add(pair.rejected());
        }
        if (texts.isEmpty()) {
            throw new InputException(data + " has no text");
        }
        return texts;
    }
}
