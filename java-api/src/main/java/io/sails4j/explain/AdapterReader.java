package io.sails4j.explain;

import io.sails4j.adaptation.AdapterUpdates;
import io.sails4j.adaptation.UpdateSquares;
import io.sails4j.config.ModuleKey;
import io.sails4j.explain.AdapterExplanation.Shift;
import io.sails4j.explain.AdapterExplanation.Update;
import io.sails4j.model.CausalModel;
import java.util.ArrayList;
import java.util.List;
import java.util.Objects;
import java.util.SortedMap;
import java.util.SortedSet;
import java.util.TreeMap;
import java.util.TreeSet;
import org.jspecify.annotations.Nullable;

/** What an adapter does to weights and to features. */
final class AdapterReader {
    private final CausalModel model;
    private final AdapterFile adapter;
    private final @Nullable SubspaceFile subspace;
    private final int most;

    AdapterReader(CausalModel model, AdapterFile adapter, @Nullable SubspaceFile subspace, int most) {
        this.model = model;
        this.adapter = adapter;
        this.subspace = subspace;
        this.most = most;
    }

    AdapterExplanation explain(Source modelSource, @Nullable ScannedCorpus before, @Nullable ScannedCorpus after) {
        SortedMap<ModuleKey, UpdateSquares> squares = AdapterUpdates.of(model, adapter.adapter().modules(),
            subspace == null ? null : subspace.subspace());
        List<AdapterExplanation.Module> modules = new ArrayList<>();
        SortedMap<Integer, UpdateSquares> byLayer = new TreeMap<>();
        squares.forEach((module, square) -> {
            modules.add(new AdapterExplanation.Module(module, update(square, module.layer())));
            byLayer.merge(module.layer(), square, UpdateSquares::plus);
        });
        SortedSet<Integer> layers = new TreeSet<>(byLayer.keySet());
        if (before != null) {
            layers.addAll(before.layers().keySet());
        }
        List<AdapterExplanation.Layer> explained = new ArrayList<>();
        for (int layer : layers) {
            explained.add(new AdapterExplanation.Layer(layer, update(byLayer.getOrDefault(layer, UpdateSquares.ZERO), layer),
                before == null || after == null ? List.of() : shifts(layer, before.layers().get(layer), after.layers().get(layer))));
        }
        return new AdapterExplanation(modelSource, adapter.source(), subspace == null ? null : subspace.source(),
            before == null ? null : before.corpus(), modules, explained);
    }

    /** The expected share of a random subspace: E[P] = r_s / d_model I, so E|P dW|^2 = r_s / d_model |dW|^2 for every dW. */
    private Update update(UpdateSquares squares, int layer) {
        double norm = Math.sqrt(squares.all());
        if (subspace == null) {
            return new Update(norm, Double.NaN, Double.NaN);
        }
        return new Update(norm, squares.share(),
            (double) subspace.subspace().nearest(layer).dimension() / subspace.subspace().nearest(layer).dModel());
    }

    private List<Shift> shifts(int layer, @Nullable CorpusStatistics before, @Nullable CorpusStatistics after) {
        if (before == null) {
            return List.of();
        }
        CorpusStatistics adapted = Objects.requireNonNull(after);
        Largest largest = new Largest(most);
        for (int feature = 0; feature < before.dSae(); feature++) {
            double size = Math.abs(adapted.mean(feature) - before.mean(feature));
            if (size > 0) {
                largest.offer(feature, size);
            }
        }
        return largest.toList((feature, _) -> new Shift(feature, before.mean(feature), adapted.mean(feature),
            subspace == null ? Double.NaN : subspace.score(layer, feature)));
    }
}
