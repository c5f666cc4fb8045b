package io.sails4j.cli;

import io.sails4j.data.DataOptions;
import io.sails4j.demo.world.World;
import io.sails4j.demo.world.WorldOptions;
import io.sails4j.files.FileHash;
import io.sails4j.model.CausalModel;
import io.sails4j.model.ModelOptions;
import io.sails4j.ops.Engine;
import io.sails4j.ops.EngineOptions;
import io.sails4j.saetrain.ModelActivations;
import io.sails4j.saetrain.SaeTrainOptions;
import io.sails4j.saetrain.SaeTrainRun;
import io.sails4j.saetrain.TextCorpus;
import io.sails4j.study.Study;
import io.sails4j.study.StudyResult;
import io.sails4j.study.StudyRun;
import io.sails4j.tensor.Backend;
import io.sails4j.train.RunControl;
import io.sails4j.train.RunOrigin;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;

/** The paper's claim in miniature: a world, an autoencoder of its model, and the study of both, all from one seed. */
final class FullDemo {
    private static final int SAE_WIDTH = 1024;
    private static final int SAE_ACTIVE = 16;
    private static final double SAE_LR = 4e-3;
    private static final int SAE_BATCH = 1024;

    private final CommonOptions common;
    private final Path root;
    private final boolean quick;

    FullDemo(CommonOptions common, Path root, boolean quick) {
        this.common = common;
        this.root = root;
        this.quick = quick;
    }

    /** Makes what is not there yet; a study that was stopped goes on by the same command. */
    StudyResult run(Engine engine) {
        common.message((quick ? "about ten minutes" : "about 70 minutes") + " on two idle processors; it may be stopped and killed at any"
            + " time: the same command goes on");
        World world = new World(quick ? WorldOptions.quick() : WorldOptions.full(), common.seed());
        Path at = root.resolve("world");
        if (Files.notExists(at)) {
            common.message(
                "1/3  making a world: a language in which harm depends on combinations, and a model that complies with everything");
            try (ProgressBar pretraining = common.progress("pretraining"); ProgressBar examination = common.progress("examining")) {
                Files.createDirectories(root);
                world.make(engine, at, pretraining, examination);
            } catch (IOException e) {
                throw new UncheckedIOException(e);
            }
        }
        if (Files.notExists(at.resolve("sae"))) {
            common.message("2/3  training a sparse autoencoder on its activations after layer " + world.saeLayer());
            trainSae(engine, at, world.saeLayer());
        }
        Study study = Study.read(at.resolve("study.yaml"));
        int jobs = jobs(engine);
        common.message("3/3  the study: every arm trained, its learning rate chosen, tested; " + study.runs() + " runs, " + jobs
            + " at a time");
        try (ProgressBar bar = common.progress("study"); StopSignal signal = new StopSignal(common::message);
             StudyEngines engines = new StudyEngines(each(jobs), jobs)) {
            return new StudyRun(study, root.resolve("study"), Files.exists(root.resolve("study"))).run(engines.all(), bar, signal::asked);
        }
    }

    /** A card does one thing at a time; small models keep a processor busy each, and two of them better than one on two. */
    private int jobs(Engine engine) {
        int processors = common.threads() > 0 ? common.threads() : Runtime.getRuntime().availableProcessors();
        return engine.backend() == Backend.CPU ? processors : 1;
    }

    /** One thread a task: its bits do not depend on the number of processors. */
    private EngineOptions each(int jobs) {
        EngineOptions asked = common.engineOptions();
        return jobs == 1 ? asked : new EngineOptions(asked.backend(), 1, asked.deviceOptions());
    }

    private void trainSae(Engine engine, Path world, int layer) {
        Path model = world.resolve("model");
        Path pairs = world.resolve("pairs.jsonl");
        SaeTrainOptions options = SaeTrainOptions.defaults().with(o -> {
            o.shape = o.shape.with(shape -> {
                shape.width = SAE_WIDTH;
                shape.k = SAE_ACTIVE;
            });
            o.optimization = o.optimization.with(schedule -> schedule.adamw = schedule.adamw.withLr(SAE_LR));
            o.batching = o.batching.with(batching -> {
                batching.batchTokens = SAE_BATCH;
                batching.steps = quick ? 600 : 3000;
            });
            o.run = o.run.with(run -> run.seed = common.seed());
        });
        TextCorpus corpus = TextCorpus.read(List.of(pairs.toString()), model, DataOptions.defaults());
        try (CausalModel loaded = CausalModel.load(model, engine, ModelOptions.of(null)); ModelActivations source = new ModelActivations(
            loaded, corpus.sequences(), List.of(layer), options.batching(), common.seed());
             ProgressBar bar = common.progress("sae train"); StopSignal signal = new StopSignal(common::message)) {
            new SaeTrainRun(engine, options, new RunOrigin(Map.of("model.sha256", FileHash.sha256(model), "data.0.sha256",
                FileHash.sha256(pairs)), List.of()), "model").run(source, world.resolve("sae"), bar, new RunControl(false, signal::asked));
        }
    }
}
