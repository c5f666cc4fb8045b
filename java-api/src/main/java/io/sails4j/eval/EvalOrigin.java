package io.sails4j.eval;

import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import io.sails4j.data.Wanted;
import io.sails4j.files.FileHash;
import io.sails4j.files.JsonFiles;
import io.sails4j.lora.WeightedAdapter;
import io.sails4j.model.ModelOptions;
import io.sails4j.ops.Engine;
import io.sails4j.options.Options;
import java.nio.file.Path;
import java.util.HashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.TreeMap;

/** What decides an evaluation's result: a run goes on only where all of it is the same, and {@code eval.json} holds it. */
final class EvalOrigin {
    private final Engine engine;
    private final ModelOptions modelOptions;
    private final EvalOptions options;
    private final Map<Path, String> hashes = new HashMap<>();

    EvalOrigin(Engine engine, ModelOptions modelOptions, EvalOptions options) {
        this.engine = engine;
        this.modelOptions = modelOptions;
        this.options = options;
    }

    ObjectNode describe(List<EvalArm> arms, List<PromptFile> files, List<EvalJudge> judges,
        EvalRun.Beside beside) {
        ObjectNode json = Options.deciding(options);
        json.put("decode_rows", options.rowsOn(engine.backend()));
        json.put("compute_dtype", modelOptions.computeDtype() == null ? "checkpoint" : String.valueOf(modelOptions.computeDtype()));
        json.put("weights", modelOptions.weights().name().toLowerCase(Locale.ROOT));
        // Another device, or another number of threads, may round otherwise.
        json.set("device", JsonFiles.parse(engine.device().describe(), "the device's description"));
        ObjectNode armsNode = json.putObject("arms");
        arms.forEach(arm -> describe(arm, armsNode.putObject(arm.name())));
        ArrayNode filesNode = json.putArray("prompts");
        files.forEach(file -> describe(file, filesNode.addObject()));
        ObjectNode judgesNode = json.putObject("judges");
        judges.forEach(judge -> {
            ObjectNode node = judgesNode.putObject(judge.name());
            new TreeMap<>(judge.origin()).forEach(node::put);
        });
        if (beside.labelled() != null) {
            json.put("calibration_sha256", hash(beside.labelled().path()));
        }
        describe(beside.utility(), json.putArray("utility"));
        if (beside.monitor() != null) {
            json.set("monitor", beside.monitor().describe());
        }
        ObjectNode attack = beside.asking().origin();
        if (attack != null) {
            json.set("attack", attack);
        }
        return json;
    }

    private void describe(UtilityFiles files, ArrayNode json) {
        files.texts().forEach(file -> describe("perplexity", file.path(), file.documents().size(), json).put("column", file.column()));
        files.choices().forEach(file -> describe("choices", file.path(), file.questions().size(), json));
        if (files.examples() != null) {
            describe("examples", files.examples().path(), files.examples().questions().size(), json);
        }
        files.benign().forEach(file -> describe("kl", file.path(), file.prompts().size(), json));
    }

    private ObjectNode describe(String kind, Path path, int items, ArrayNode json) {
        return json.addObject().put("kind", kind).put("file", String.valueOf(path.getFileName())).put("sha256", hash(path)).put("items",
            items);
    }

    private void describe(EvalArm arm, ObjectNode json) {
        json.put("model_sha256", hash(arm.model()));
        ArrayNode adapters = json.putArray("adapters");
        for (WeightedAdapter adapter : arm.adapters()) {
            adapters.addObject().put("sha256", hash(adapter.directory())).put("weight", adapter.weight());
        }
    }

    private void describe(PromptFile file, ObjectNode json) {
        json.put("file", String.valueOf(file.path().getFileName())).put("format", file.format().title()).put("sha256", hash(file.path()));
        json.put("prompts", file.prompts().size());
        ObjectNode wanted = json.putObject("wanted");
        for (Wanted want : Wanted.values()) {
            wanted.put(want.key(), file.prompts().stream().filter(prompt -> prompt.wanted() == want).count());
        }
    }

    /** Several arms stand on one model. */
    private String hash(Path path) {
        return hashes.computeIfAbsent(path, FileHash::sha256);
    }
}
