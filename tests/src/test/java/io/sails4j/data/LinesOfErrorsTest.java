package io.sails4j.data;

import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.sails4j.config.ModelConfig;
import io.sails4j.config.Projection;
import io.sails4j.demo.BpeTrainer;
import io.sails4j.loop.StepHook;
import io.sails4j.loop.TrainingLoop;
import io.sails4j.lora.LoraAdapter;
import io.sails4j.lora.LoraConfig;
import io.sails4j.model.CausalModel;
import io.sails4j.model.ModelWeights;
import io.sails4j.objective.Loss;
import io.sails4j.objective.PreferenceLoss;
import io.sails4j.objective.SftLoss;
import io.sails4j.ops.Engine;
import io.sails4j.tensor.DType;
import io.sails4j.testing.Backends;
import io.sails4j.testing.TinyModel;
import io.sails4j.train.TrainingException;
import io.sails4j.train.TrainingOptions;
import io.sails4j.trainable.LoraTrainable;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.EnumSet;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** What goes wrong with an example in training names the line of the user's file, whatever was left out before it. */
class LinesOfErrorsTest {
    @TempDir
    private Path directory;

    private static String pair(String question, String chosen, String rejected) {
        return "{\"prompt\": \"" + question + "\", \"chosen\": \"" + chosen + "\", \"rejected\": \"" + rejected + "\"}\n";
    }

    private void assertNamed(Loss loss, ModelConfig config, String expected) {
        TrainingOptions options = TrainingOptions.defaults().withBatching(b -> {
            b.maxSteps = 1;
            b.batchTokens = 1000;
            b.microBatchTokens = 1000;
        });
        try (Engine engine = Backends.open("cpu", 1);
             CausalModel model = new CausalModel(engine, ModelWeights.random(config, engine, DType.F32, 3), false);
             LoraAdapter adapter = LoraAdapter.create(LoraConfig.uniform(config, EnumSet.of(Projection.Q_PROJ), 2, 2, "tiny"), config,
                 engine.device());
             LoraTrainable trainable = new LoraTrainable(adapter, engine.device());
             TrainingLoop loop = new TrainingLoop(model, trainable, loss, options, StepHook.none(), System::nanoTime)) {
            loop.prepare();
            adapter.modules().values().forEach(factors -> {
                float[] values = factors.loraB().toFloatArray();
                values[0] = Float.NaN;
                factors.loraB().upload(values);
            });
            assertThatThrownBy(() -> loop.step(() -> false)).isInstanceOf(TrainingException.class)
                .hasMessageContaining("(" + expected + ")");
        }
    }

    @Test
    void ofAFileOfText() throws IOException {
        Path data = directory.resolve("data.jsonl");
        Files.writeString(data, pair("how?", "so", "no") + pair("how?", "same", "same") + pair("bread?", "I bake", "I cannot"));
        BpeTrainer.train(List.of("how do I bake bread? I cannot, so no"), 300, ControlTokens.GEMMA, directory.resolve("tokenizer.json"));
        List<TokenPair> pairs;
        try (Tokenizer tokenizer = Tokenizer.load(directory)) {
            pairs = new PairTokenizer(tokenizer, 64).tokenize(PreferenceReader.read(data).pairs());
        }
        ModelConfig config = TinyModel.CONFIG.withVocabulary(400);
        assertNamed(new PreferenceLoss(pairs, 0.1), config, "lines 1, 3 of " + data);
        assertNamed(new SftLoss(pairs.stream().map(TokenPair::aligned).toList().subList(1, 2)), config, "line 3 of " + data);
    }
}
