package io.sails4j.study;

import io.sails4j.data.PreferenceData;
import io.sails4j.data.Progress;
import io.sails4j.data.TokenPair;
import io.sails4j.files.FileHash;
import io.sails4j.model.CausalModel;
import io.sails4j.model.ModelOptions;
import io.sails4j.ops.Engine;
import io.sails4j.options.Options;
import io.sails4j.sae.Sae;
import io.sails4j.subspace.ControlSubspaces;
import io.sails4j.subspace.SafetySubspace;
import io.sails4j.subspace.SubspacePipeline;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.SortedMap;
import java.util.TreeMap;

/** The subspaces of a study's arms, all of the same dimensions. */
final class Subspaces {
    private final Study study;
    private final StudyDirectory directory;
    private final Engine engine;

    Subspaces(Study study, StudyDirectory directory, Engine engine) {
        this.study = study;
        this.directory = directory;
        this.engine = engine;
    }

    static String name(ArmSubspace kind, long seed) {
        return kind == ArmSubspace.RANDOM ? "random.seed-" + seed : Options.label(kind);
    }

    /** Finds those that arms need and that are not there yet. */
    void make(Progress progress) {
        if (study.arms().stream().allMatch(arm -> arm.subspace() == ArmSubspace.NONE)) {
            return;
        }
        StudyInputs inputs = study.inputs();
        try (CausalModel model = CausalModel.load(inputs.model(), engine, ModelOptions.of(null))) {
            Files.createDirectories(directory.root().resolve("subspaces"));
            List<TokenPair> pairs = PreferenceData.load(inputs.contrast(), inputs.model(), study.measure().data()).pairs();
            Map<String, String> provenance = Map.of("model.sha256", FileHash.sha256(inputs.model()), "data.sha256",
                FileHash.sha256(inputs.contrast()));
            SafetySubspace pattern = ofFeatures(model, pairs, provenance, progress);
            SortedMap<Integer, Integer> dimensions = new TreeMap<>();
            pattern.layers().forEach((layer, of) -> dimensions.put(layer, of.dimension()));
            if (needs(ArmSubspace.DIRECT) && missing(name(ArmSubspace.DIRECT, 0))) {
                ControlSubspaces.direct(model, dimensions, pairs, study.measure().subspace().featureBatchTokens(), provenance, progress)
                    .write(directory.subspace(name(ArmSubspace.DIRECT, 0)));
            }
            for (long seed : needs(ArmSubspace.RANDOM) ? study.grid().allSeeds() : List.<Long>of()) {
                ControlSubspaces.random(Math.toIntExact(model.config().dModel()), model.config().nLayers(), dimensions, seed, provenance)
                    .write(directory.subspace(name(ArmSubspace.RANDOM, seed)));
            }
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    private boolean needs(ArmSubspace kind) {
        return study.arms().stream().anyMatch(arm -> arm.subspace() == kind);
    }

    private boolean missing(String name) {
        return Files.notExists(directory.subspace(name));
    }

    /** The others get its dimensions, so that it is found in any case. */
    private SafetySubspace ofFeatures(CausalModel model, List<TokenPair> pairs, Map<String, String> provenance, Progress progress) {
        Path file = directory.subspace(name(ArmSubspace.SAE, 0));
        if (Files.exists(file)) {
            return SafetySubspace.read(file);
        }
        SortedMap<Integer, Sae> saes = new TreeMap<>();
        try {
            study.inputs().saes().forEach((layer, path) -> saes.put(layer, Sae.load(path, engine)));
            SafetySubspace found = new SubspacePipeline(model, study.inputs().model(), saes, study.measure().subspace())
                .build(pairs, provenance, progress);
            found.write(file);
            return found;
        } finally {
            saes.values().forEach(Sae::close);
        }
    }
}
