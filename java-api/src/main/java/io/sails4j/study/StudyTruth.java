package io.sails4j.study;

import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.util.List;
import java.util.Locale;

/**
 * What is known of the model as it is, where it is known which prompts are harmful.
 *
 * @param probes of each layer
 * @param layers with an SAE
 */
record StudyTruth(List<Probe> probes, List<OfLayer> layers) {
    StudyTruth {
        probes = List.copyOf(probes);
        layers = List.copyOf(layers);
    }

    /**
     * A linear probe for harmful requests.
     *
     * @param auc on prompts that it was not fitted on
     * @param accuracy likewise
     */
    record Probe(int layer, double auc, double accuracy, int fitted, int tested) {
    }

    /**
     * Superposition, features and subspaces of a layer.
     *
     * @param concepts words of the requests with a direction each
     * @param squaredCosine the mean over pairs of their directions
     * @param kept features of the subspace with their AUC for harmful requests
     * @param best feature of all of the SAE's, of those that tell harmful from harmless
     * @param meanDifference AUC of the direction between the means
     */
    record OfLayer(int layer, int dModel, int concepts, double squaredCosine, List<Feature> kept, Feature best, double meanDifference,
        int truthDimension, List<Recovery> recoveries) {
        OfLayer {
            kept = List.copyOf(kept);
            recoveries = List.copyOf(recoveries);
        }
    }

    /** A feature and how well it tells harmful from harmless requests. */
    record Feature(int id, double auc) {
    }

    /**
     * How much of the true directions a subspace has.
     *
     * @param angles principal angles in degrees, rising
     * @param share mean squared cosine of the principal angles, over the dimensions of the truth
     * @param byChance what a random subspace of the same dimension has, dimension / d_model
     */
    record Recovery(String subspace, int dimension, List<Double> angles, double share, double byChance) {
        Recovery {
            angles = List.copyOf(angles);
        }
    }

    ObjectNode json() {
        ObjectNode json = new ObjectMapper().createObjectNode().put("format", 1);
        ArrayNode probeNodes = json.putArray("probes");
        for (Probe probe : probes) {
            probeNodes.addObject().put("layer", probe.layer()).put("auc", probe.auc()).put("accuracy", probe.accuracy())
                .put("fitted", probe.fitted()).put("tested", probe.tested());
        }
        ArrayNode layerNodes = json.putArray("layers");
        for (OfLayer layer : layers) {
            ObjectNode node = layerNodes.addObject().put("layer", layer.layer()).put("d_model", layer.dModel());
            node.putObject("superposition").put("concepts", layer.concepts()).put("mean_squared_cosine", layer.squaredCosine())
                .put("by_chance", 1.0 / layer.dModel());
            node.putObject("mean_difference").put("auc", layer.meanDifference());
            node.putObject("best_feature").put("feature", layer.best().id()).put("auc", layer.best().auc());
            ArrayNode kept = node.putArray("kept_features");
            layer.kept().forEach(feature -> kept.addObject().put("feature", feature.id()).put("auc", feature.auc()));
            node.put("truth_dimension", layer.truthDimension());
            ArrayNode recoveries = node.putArray("recovery");
            for (Recovery recovery : layer.recoveries()) {
                ObjectNode one = recoveries.addObject().put("subspace", recovery.subspace()).put("dimension", recovery.dimension())
                    .put("share", recovery.share()).put("by_chance", recovery.byChance());
                ArrayNode angles = one.putArray("angles_degrees");
                recovery.angles().forEach(angles::add);
            }
        }
        return json;
    }

    /** For study.md. */
    String markdown() {
        StringBuilder text = new StringBuilder("\n## What is true\n\nOf the model as it is. Probe: ridge regression for harmful requests on"
            + " resid_post at the prompt's last token, fitted on training prompts, measured on the tests' prompts.\n\n"
            + "| layer | probe AUC | accuracy |\n| --: | --: | --: |\n");
        probes.forEach(p -> text.append(String.format(Locale.ROOT, "| %d | %.3f | %.3f |%n", p.layer(), p.auc(), p.accuracy())));
        for (OfLayer layer : layers) {
            double median = layer.kept().stream().mapToDouble(Feature::auc).sorted().skip(layer.kept().size() / 2).findFirst()
                .orElse(Double.NaN);
            double most = layer.kept().stream().mapToDouble(Feature::auc).max().orElse(Double.NaN);
            text.append(String.format(Locale.ROOT,
                "%nLayer %d: %d words of the requests have directions in %d dimensions, whose mean squared"
                    + " cosine is %.4f (by chance %.4f). AUC for harmful requests: kept features %.3f in the median and %.3f at most, the"
                    + " best of all features %.3f, the direction between the means %.3f.%n%n",
                layer.layer(), layer.concepts(), layer.dModel(),
                layer.squaredCosine(), 1.0 / layer.dModel(), median, most, layer.best().auc(), layer.meanDifference()));
            text.append(String.format(Locale.ROOT, "| subspace | dimension | share of the %d true directions | by chance | smallest angle |"
                + " largest angle |%n| --- | --: | --: | --: | --: | --: |%n", layer.truthDimension()));
            layer.recoveries().forEach(r -> text.append(String.format(Locale.ROOT, "| %s | %d | %.3f | %.3f | %.0f° | %.0f° |%n",
                r.subspace(), r.dimension(), r.share(), r.byChance(), r.angles().getFirst(), r.angles().getLast())));
        }
        return text.toString();
    }
}
