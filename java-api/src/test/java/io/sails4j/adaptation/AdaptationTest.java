package io.sails4j.adaptation;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.sails4j.InputException;
import io.sails4j.align.AdapterOptions;
import io.sails4j.align.AdapterVariant;
import io.sails4j.align.AlignOptions;
import io.sails4j.align.Constraint;
import io.sails4j.align.ConstraintOptions;
import io.sails4j.align.Method;
import io.sails4j.config.Projection;
import io.sails4j.model.CausalModel;
import io.sails4j.ops.Engine;
import io.sails4j.ops.EngineOptions;
import io.sails4j.subspace.SafetySubspace;
import io.sails4j.testing.TinyModel;
import java.nio.file.Path;
import java.util.EnumSet;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.TreeMap;
import org.junit.jupiter.api.Test;

/** What is planned is what is trained. */
class AdaptationTest {
    private static final int D = 24;

    /** Unit vectors, as many in layer 0 as are named, two more in layer 1. */
    private static SafetySubspace subspace(int dimension) {
        TreeMap<Integer, SafetySubspace.Layer> layers = new TreeMap<>();
        for (int layer = 0; layer < 2; layer++) {
            int r = dimension + 2 * layer;
            float[] basis = new float[D * r];
            for (int c = 0; c < r; c++) {
                basis[c * r + c] = 1;
            }
            layers.put(layer, new SafetySubspace.Layer(D, r, basis, new int[] {1}, new float[] {1}));
        }
        return new SafetySubspace(layers, Map.of());
    }

    private static AlignOptions options(Method method, Constraint constraint, AdapterVariant variant) {
        return AlignOptions.defaults().with(o -> {
            o.method = method;
            o.constraint = ConstraintOptions.of(constraint);
            o.adapter = AdapterOptions.of(EnumSet.of(Projection.Q_PROJ, Projection.O_PROJ, Projection.GATE_PROJ, Projection.DOWN_PROJ), 4)
                .withVariant(variant);
        });
    }

    @Test
    void theShapeThatIsPlannedIsTheOneThatIsTrained() {
        AdapterVariant plain = AdapterVariant.plain();
        AdapterVariant pattern = plain.with(v -> v.rankPattern = Map.of("q_proj", 2));
        Map<String, AlignOptions> all = new LinkedHashMap<>();
        all.put("full", options(Method.FULL, Constraint.NONE, plain));
        all.put("plain", options(Method.LORA, Constraint.NONE, plain));
        all.put("pattern", options(Method.LORA, Constraint.NONE, pattern));
        all.put("DoRA", options(Method.LORA, Constraint.NONE, plain.with(v -> v.useDora = true)));
        all.put("PiSSA", options(Method.LORA, Constraint.NONE, plain.with(v -> v.init = AdapterVariant.Init.PISSA)));
        for (Constraint constraint : Constraint.values()) {
            all.put("sails " + constraint, options(Method.SAILS, constraint, plain));
            all.put("sails by pattern " + constraint, options(Method.SAILS, constraint, pattern));
        }
        try (Engine engine = Engine.open(new EngineOptions("cpu", 1, ""))) {
            for (int dimension : new int[] {3, 7}) {
                all.forEach((name, options) -> {
                    try (CausalModel model = TinyModel.open(engine)) {
                        Adaptation adaptation = Adaptation.of(options, options.method() == Method.SAILS ? subspace(dimension) : null);
                        try (OpenAdaptation open = adaptation.open(model, Path.of("tiny"))) {
                            assertThat(adaptation.shapeIsKnown()).as(name).isTrue();
                            assertThat(adaptation.shape(model.config())).as(name).isEqualTo(open.trainable().shape());
                            assertThat(adaptation.shape(model.config()).parameterCount(model.config())).as(name)
                                .isEqualTo(open.trainable().count());
                        }
                    }
                });
            }
        }
    }

    @Test
    void withoutTheSubspaceItSaysThatItGuesses() {
        Adaptation core = Adaptation.of(options(Method.SAILS, Constraint.CORE, AdapterVariant.plain()), null);
        assertThat(core.shapeIsKnown()).isFalse();
        assertThat(core.shape(TinyModel.CONFIG).coreDimensions().values()).containsOnly(4);
        try (Engine engine = Engine.open(new EngineOptions("cpu", 1, "")); CausalModel model = TinyModel.open(engine)) {
            assertThatThrownBy(() -> core.open(model, Path.of("tiny"))).isInstanceOf(InputException.class)
                .hasMessageContaining("needs a safety subspace");
            long before = engine.device().allocatedBytes();
            AlignOptions wide = options(Method.SAILS, Constraint.UPDATE, AdapterVariant.plain())
                .with(o -> o.adapter = AdapterOptions.ofAttention(D + 1));
            assertThatThrownBy(() -> Adaptation.of(wide, subspace(3)).open(model, Path.of("tiny"))).isInstanceOf(InputException.class);
            assertThat(engine.device().allocatedBytes()).as("nothing is left open").isEqualTo(before);
        }
        assertThatThrownBy(() -> Adaptation.of(options(Method.LORA, Constraint.NONE, AdapterVariant.plain()), subspace(3)))
            .isInstanceOf(InputException.class);
    }
}
