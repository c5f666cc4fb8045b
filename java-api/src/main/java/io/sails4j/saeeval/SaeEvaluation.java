package io.sails4j.saeeval;

import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * All that was measured of an autoencoder.
 *
 * @param duplicates features whose decoder row nearly points where another's does
 * @param model null where vectors of a file were looked at
 * @param known null where no features are known
 * @param probes empty where texts have no sides
 * @param absorption null where vectors have no labels
 */
public record SaeEvaluation(ReconstructionMeasures reconstruction, int duplicates, @Nullable ModelMeasures model,
    @Nullable KnownFeatureMeasures known, List<ProbeMeasure> probes, @Nullable Absorption absorption) {
    public SaeEvaluation {
        probes = List.copyOf(probes);
    }

    /** As one object. */
    public ObjectNode json() {
        ObjectNode json = new ObjectMapper().createObjectNode();
        ReconstructionMeasures r = reconstruction;
        json.put("vectors", r.vectors()).put("l0", r.l0()).put("mse", r.mse()).put("fvu", r.fvu());
        json.put("explained_variance", r.explainedVariance()).put("cosine", r.cosine()).put("length_ratio", r.lengthRatio());
        json.put("features", r.features()).put("dead", r.dead()).put("dense", r.dense()).put("duplicates", duplicates);
        if (model != null) {
            ObjectNode of = json.putObject("model").put("tokens", model.tokens()).put("ce", model.crossEntropy());
            of.put("ce_sae", model.crossEntropySae()).put("ce_zero", model.crossEntropyZero()).put("ce_mean", model.crossEntropyMean());
            of.put("ce_recovered_zero", model.recoveredFromZero()).put("ce_recovered_mean", model.recoveredFromMean());
            of.put("kl_sae", model.klSae()).put("kl_zero", model.klZero()).put("kl_score", model.klScore());
        }
        if (known != null) {
            json.putObject("known_features").put("known", known.known()).put("mean_max_cosine", known.meanMaxCosine())
                .put("recovered", known.recovered());
        }
        for (ProbeMeasure probe : probes) {
            ObjectNode of = json.withArray("probes").addObject().put("k", probe.k()).put("accuracy", probe.accuracy());
            of.put("training_texts", probe.trainingTexts()).put("test_texts", probe.testTexts());
            probe.features().forEach(of.putArray("features")::add);
        }
        if (absorption != null) {
            putAbsorption(json.putObject("absorption"), absorption);
        }
        return json;
    }

    private static void putAbsorption(ObjectNode json, Absorption absorption) {
        json.put("mean_fraction", absorption.meanFraction()).put("full_rate", absorption.fullRate());
        for (AbsorptionMeasure of : absorption.labels()) {
            ObjectNode label = json.withArray("labels").addObject().put("label", of.label()).put("fraction", of.meanFraction());
            label.put("full_rate", of.fullRate()).put("examples", of.examples()).put("probe_f1", of.probeF1()).put("main_f1", of.mainF1());
            of.mainFeatures().forEach(label.putArray("main_features")::add);
        }
        absorption.leftOut().forEach(json.putArray("left_out")::add);
    }
}
