package io.sails4j.adaptation;

import io.sails4j.InputException;
import io.sails4j.align.AdapterVariant;
import io.sails4j.align.AlignOptions;
import io.sails4j.align.Constraint;
import io.sails4j.align.Fill;
import io.sails4j.align.Method;
import io.sails4j.config.ModelConfig;
import io.sails4j.config.ModuleKey;
import io.sails4j.lora.LoraAdapter;
import io.sails4j.model.CausalModel;
import io.sails4j.model.CheckpointCompanions;
import io.sails4j.model.TrainedShape;
import io.sails4j.ops.Engine;
import io.sails4j.subspace.SafetySubspace;
import io.sails4j.tensor.Tensor;
import io.sails4j.train.Master;
import io.sails4j.trainable.CoreLoraTrainable;
import io.sails4j.trainable.FullTrainable;
import io.sails4j.trainable.LoraTrainable;
import io.sails4j.trainable.Trainable;
import java.io.IOException;
import java.nio.file.Path;
import java.util.Map;
import java.util.TreeMap;
import java.util.function.BiFunction;
import org.jspecify.annotations.Nullable;

/**
 * What is trained: says what that would be from a configuration alone, opens it on a model, and writes it. Variants that change no step of
 * this (DoRA, rsLoRA, patterns of ranks) are the adapter's options.
 */
public sealed interface Adaptation {
    /**
     * What options ask for.
     *
     * @param subspace needed to open a {@link Method#SAILS}; without it {@link #shape} counts with r_s = r
     */
    static Adaptation of(AlignOptions options, @Nullable SafetySubspace subspace) {
        if (subspace != null && options.method() != Method.SAILS) {
            throw new InputException("a safety subspace is used by method=sails only");
        }
        return switch (options.method()) {
            case FULL -> new Full(options);
            case LORA -> options.adapter().variant().init() == AdapterVariant.Init.PISSA ? new Pissa(options) : new Plain(options);
            case SAILS ->
                options.constraint().constraint() == Constraint.CORE ? new Core(options, subspace) : new InSubspace(options, subspace);
        };
    }

    AlignOptions options();

    /** What would be trained of such a model. */
    TrainedShape shape(ModelConfig config);

    /** Whether {@link #shape} is what a run will have, and no guess about a subspace that is not known yet. */
    default boolean shapeIsKnown() {
        return true;
    }

    /**
     * Opens it on a model.
     *
     * @param model for {@link Full} loaded writable
     * @param modelPath goes into an adapter as its base
     */
    OpenAdaptation open(CausalModel model, Path modelPath);

    /** All parameters. */
    record Full(AlignOptions options) implements Adaptation {
        @Override
        public TrainedShape shape(ModelConfig config) {
            return TrainedShape.ofAll();
        }

        @Override
        public OpenAdaptation open(CausalModel model, Path modelPath) {
            return OpenAdaptation.open(parts -> {
                parts.trains(new FullTrainable(model, options.training().optimizer().state().master() == Master.BF16));
                parts.writes(directory -> writeCheckpoint(model, modelPath, directory));
            });
        }

        private static void writeCheckpoint(CausalModel model, Path modelPath, Path directory) throws IOException {
            model.weights().writeInto(directory, model.engine());
            CheckpointCompanions.copy(modelPath, directory);
        }
    }

    /** Adapters that know no subspace. */
    record Plain(AlignOptions options) implements Adaptation {
        @Override
        public TrainedShape shape(ModelConfig config) {
            return TrainedShape.ofAdapter(options.adapter().config(config, "").ranks(),
                options.adapter().variant().useDora() ? TrainedShape.Variant.DORA : TrainedShape.Variant.PLAIN);
        }

        @Override
        public OpenAdaptation open(CausalModel model, Path modelPath) {
            return OpenAdaptation.open(parts -> {
                LoraAdapter adapter = parts
                    .own(AdapterInitialiser.plain(model, options.adapter(), options.training().seed(), modelPath.toString()));
                parts.trains(new LoraTrainable(adapter, model.engine().device()));
                parts.writes(adapter::writeInto);
            });
        }
    }

    /** Adapters that start as the principal part of each weight. */
    record Pissa(AlignOptions options) implements Adaptation {
        @Override
        public TrainedShape shape(ModelConfig config) {
            return TrainedShape.ofAdapter(options.adapter().config(config, "").ranks(), TrainedShape.Variant.PISSA);
        }

        @Override
        public OpenAdaptation open(CausalModel model, Path modelPath) {
            return OpenAdaptation.open(parts -> {
                PissaAdapter pissa = parts.own(new PissaAdapter(model, options.adapter(), options.training().seed(), modelPath.toString()));
                parts.trains(new LoraTrainable(pissa.trained(), pissa.takenOut(), model.engine().device()));
                parts.writes(pissa::writeInto);
            });
        }
    }

    /** Adapters that start in the safety subspace. */
    record InSubspace(AlignOptions options, @Nullable SafetySubspace subspace) implements Adaptation {
        @Override
        public TrainedShape shape(ModelConfig config) {
            return TrainedShape.ofAdapter(AdapterInitialiser.config(subspace, config, options, "").ranks(), TrainedShape.Variant.PLAIN);
        }

        @Override
        public boolean shapeIsKnown() {
            return subspace != null || options.constraint().fill() == Fill.COMPLEMENT;
        }

        @Override
        public OpenAdaptation open(CausalModel model, Path modelPath) {
            return openInSubspace(options, subspace, model, modelPath,
                (adapter, bases) -> new LoraTrainable(adapter, model.engine().device()));
        }
    }

    /** Adapters whose residual-facing factor is the subspace's basis times a trained core. */
    record Core(AlignOptions options, @Nullable SafetySubspace subspace) implements Adaptation {
        @Override
        public TrainedShape shape(ModelConfig config) {
            Map<ModuleKey, Integer> ranks = AdapterInitialiser.config(subspace, config, options, "").ranks();
            Map<ModuleKey, Integer> dimensions = new TreeMap<>();
            ranks.forEach((module, r) -> dimensions.put(module, subspace == null ? r : subspace.nearest(module.layer()).dimension()));
            return TrainedShape.ofCores(ranks, dimensions);
        }

        @Override
        public boolean shapeIsKnown() {
            return subspace != null;
        }

        @Override
        public OpenAdaptation open(CausalModel model, Path modelPath) {
            return openInSubspace(options, subspace, model, modelPath, (adapter, bases) -> {
                Map<ModuleKey, Tensor> byModule = new TreeMap<>();
                adapter.modules().keySet().forEach(module -> byModule.put(module, bases.of(module)));
                return new CoreLoraTrainable(adapter, byModule, model.engine());
            });
        }
    }

    /** @param trained what is trained of an adapter that starts in the subspace with these bases */
    private static OpenAdaptation openInSubspace(AlignOptions options, @Nullable SafetySubspace subspace, CausalModel model, Path modelPath,
        BiFunction<LoraAdapter, SubspaceBases, Trainable> trained) {
        SafetySubspace space = AdapterInitialiser.needed(subspace);
        Engine engine = model.engine();
        return OpenAdaptation.open(parts -> {
            LoraAdapter adapter = parts
                .own(AdapterInitialiser.inSubspace(space, model.config(), options, modelPath.toString(), engine.device()));
            SubspaceBases bases = parts.own(new SubspaceBases(space, engine.device()));
            Trainable trainable = trained.apply(adapter, bases);
            parts.trains(trainable);
            parts.isHeldBy(new SubspaceHook(adapter, trainable.targets().lora(), bases, options.constraint(), engine));
            parts.writes(directory -> {
                adapter.writeInto(directory);
                space.write(directory.resolve("subspace.safetensors"));
            });
        });
    }
}
