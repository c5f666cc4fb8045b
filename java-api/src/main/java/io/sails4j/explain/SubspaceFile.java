package io.sails4j.explain;

import io.sails4j.InputException;
import io.sails4j.sae.Sae;
import io.sails4j.subspace.PcaSubspace;
import io.sails4j.subspace.PrincipalAngles;
import io.sails4j.subspace.SafetySubspace;
import io.sails4j.subspace.SubspaceOptions;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Objects;

/** A safety subspace and the file that it was read from. */
public record SubspaceFile(Source source, SafetySubspace subspace) {
    /** Beyond this angle the basis in the file is not the one that the SAE's rows give, in radians: the file is rounded to float. */
    private static final double ROUNDING = 1e-3;

    /** Reads a file. */
    public static SubspaceFile read(Path path) {
        return new SubspaceFile(Source.of(path), SafetySubspace.read(path));
    }

    SafetySubspace.Layer layer(int layer) {
        return Objects.requireNonNull(subspace.layers().get(layer));
    }

    /** A feature's score on a layer, NaN where it is not kept. */
    double score(int layer, int feature) {
        SafetySubspace.Layer of = subspace.layers().get(layer);
        for (int i = 0; of != null && i < of.featureIds().length; i++) {
            if (of.featureIds()[i] == feature) {
                return of.scores()[i];
            }
        }
        return Double.NaN;
    }

    /** An error unless the SAE has all features that the layer keeps. */
    void requireFeatures(int layer, Sae sae) {
        for (int feature : layer(layer).featureIds()) {
            if (feature < 0 || feature >= sae.config().dSae()) {
                throw new InputException(source.path() + ": layer." + layer + ".feature_ids has feature " + feature + ", but " + sae.path()
                    + " has features 0 to " + (sae.config().dSae() - 1) + "; the subspace was made with another SAE");
            }
        }
    }

    /**
     * The spectrum of the kept features' decoder rows, as the pipeline saw it when it cut the basis off.
     *
     * @throws InputException where these rows have another basis than the file
     */
    List<ExplainedLayer.Component> spectrum(int layer, Sae sae) {
        SafetySubspace.Layer of = layer(layer);
        PcaSubspace pca = PcaSubspace.of(rows(layer, sae), 1, centred());
        double total = Arrays.stream(pca.singularValues()).map(s -> s * s).sum();
        requireSameBasis(layer, sae, pca);
        List<ExplainedLayer.Component> components = new ArrayList<>();
        double cumulative = 0;
        for (int i = 0; i < pca.singularValues().length; i++) {
            double variance = pca.singularValues()[i] * pca.singularValues()[i];
            cumulative += variance;
            components.add(new ExplainedLayer.Component(i + 1, variance, variance / total, cumulative / total, i < of.dimension()));
        }
        return components;
    }

    private void requireSameBasis(int layer, Sae sae, PcaSubspace pca) {
        SafetySubspace.Layer of = layer(layer);
        boolean same = pca.components() >= of.dimension();
        if (same) {
            double[][] first = new double[of.dModel()][];
            Arrays.setAll(first, i -> Arrays.copyOf(pca.basis()[i], of.dimension()));
            double[] angles = PrincipalAngles.between(columns(of), first);
            same = angles[angles.length - 1] < ROUNDING;
        }
        if (!same) {
            throw new InputException(source.path() + ": layer." + layer + ".basis is not spanned by the decoder rows of its features in "
                + sae.path() + "; name the SAE that the subspace was made with (sae=" + layer + "=PATH)");
        }
    }

    /**
     * Each kept feature's share of each basis vector: p[i,j]^2 / sum_k p[k,j]^2, p[i,j] = &lt;x[i], u[j]> with x the decoder rows as the
     * PCA took them. The basis vectors are right singular vectors u = X^T v / sigma, so that this is v[i]^2, the vector's weight on the
     * feature, squared.
     *
     * @return [features][dimension]
     */
    double[][] basisShares(int layer, Sae sae) {
        SafetySubspace.Layer of = layer(layer);
        float[][] rows = rows(layer, sae);
        double[][] shares = new double[rows.length][of.dimension()];
        for (int j = 0; j < of.dimension(); j++) {
            double[] products = new double[rows.length];
            for (int i = 0; i < rows.length; i++) {
                for (int d = 0; d < of.dModel(); d++) {
                    products[i] += (double) rows[i][d] * of.basis()[d * of.dimension() + j];
                }
            }
            // Centring the rows centres their products.
            double mean = centred() ? Arrays.stream(products).average().orElse(0) : 0;
            double total = Arrays.stream(products).map(p -> (p - mean) * (p - mean)).sum();
            for (int i = 0; i < rows.length; i++) {
                shares[i][j] = total == 0 ? 0 : (products[i] - mean) * (products[i] - mean) / total;
            }
        }
        return shares;
    }

    private float[][] rows(int layer, Sae sae) {
        float[][] rows = sae.decoderRows(layer(layer).featureIds());
        return told("unit_rows", SubspaceOptions.defaults().unitRows()) ? PcaSubspace.unitRows(rows) : rows;
    }

    private boolean centred() {
        return told("centre", SubspaceOptions.defaults().centre());
    }

    /** What the file says of how it was made; files of others say nothing. */
    private boolean told(String option, boolean otherwise) {
        return Boolean.parseBoolean(subspace.provenance().getOrDefault(option, String.valueOf(otherwise)));
    }

    /** The basis [d_model][r_s]. */
    static double[][] columns(SafetySubspace.Layer layer) {
        double[][] columns = new double[layer.dModel()][layer.dimension()];
        for (int i = 0; i < layer.basis().length; i++) {
            columns[i / layer.dimension()][i % layer.dimension()] = layer.basis()[i];
        }
        return columns;
    }
}
