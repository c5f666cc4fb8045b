package io.sails4j.bench;

import static org.assertj.core.api.Assertions.assertThat;

import io.sails4j.config.ModelConfig;
import io.sails4j.conformance.ConformanceSuite;
import io.sails4j.conformance.OpCase;
import io.sails4j.ops.Engine;
import io.sails4j.ops.EngineOptions;
import io.sails4j.tensor.DType;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Set;
import java.util.TreeSet;
import java.util.stream.Collectors;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

class BenchmarksTest {
    private static final EngineOptions CPU = new EngineOptions("cpu", 0, "");

    private Ceilings ceilings;

    private List<BenchResult> run(List<String> groups, DType dtype) {
        List<BenchResult> lines = new ArrayList<>();
        try (Engine engine = Engine.open(CPU)) {
            ceilings = Ceilings.measure(engine, BenchSize.quick());
        }
        assertThat(ceilings.bandwidth().copy()).isPositive().isFinite();
        new Benchmarks(CPU, BenchSize.quick(), dtype, 0, 1).run(groups, ceilings, new BenchListener() {
            @Override
            public void measured(BenchResult line) {
                lines.add(line);
            }

            @Override
            public void tooLarge(String sentence) {
                throw new AssertionError(sentence);
            }
        });
        return lines;
    }

    @ParameterizedTest
    @EnumSource(value = DType.class, names = {"F32", "BF16"})
    void everyGroupGivesNumbers(DType dtype) {
        List<BenchResult> lines = run(Benchmarks.GROUPS, dtype);
        assertThat(lines).extracting(BenchResult::group).hasSameElementsAs(Benchmarks.GROUPS);
        assertThat(lines).allSatisfy(line -> {
            assertThat(line.seconds()).isPositive().isFinite();
            assertThat(line.bytes()).isPositive();
            assertThat(line.flops()).isNotNegative();
            assertThat(ceilings.share(line).value()).isPositive().isFinite();
            assertThat(line.times().samples()).isNotEmpty().allSatisfy(sample -> assertThat(sample).isPositive().isFinite());
            assertThat(line.written()).isBetween(0.0, line.bytes());
            // What a monitor adds is a difference: on so small a model it may be lost in noise.
            assertThat(line.more()).allSatisfy((name, value) -> {
                if (name.startsWith("added_")) {
                    assertThat(value).isFinite();
                } else {
                    assertThat(value).as(name).isPositive();
                }
            });
        });
        assertThat(lines).filteredOn(line -> line.group().equals("step")).isNotEmpty()
            .allSatisfy(line -> assertThat(line.more()).containsKeys("tokens_per_s", "planned_bytes", "peak_bytes"));
        assertThat(lines).filteredOn(line -> line.group().equals("decode")).isNotEmpty()
            .allSatisfy(line -> assertThat(line.more()).containsKey("tokens_per_s"));
    }

    @Test
    void everyOperationIsTimed() {
        Set<String> tested = ConformanceSuite.cases().stream().map(OpCase::operation).collect(Collectors.toCollection(TreeSet::new));
        Set<String> timed = new TreeSet<>();
        KernelShapes.layers(BenchSize.quick(), DType.BF16).forEach(shape -> timed.add(shape.opCase().operation()));
        KernelShapes.autoencoders(BenchSize.quick(), DType.BF16).forEach(shape -> timed.add(shape.opCase().operation()));
        assertThat(timed).isEqualTo(tested);
    }

    @Test
    void whatDoesNotFitIsSaid() {
        List<String> said = new ArrayList<>();
        // The copy that memory is measured with fits, two layers of the weights do not.
        EngineOptions small = new EngineOptions("emulator", 0, "memory_mib=24");
        BenchSize size = BenchSize.quick().withVocabulary(100_000);
        try (Engine engine = Engine.open(small)) {
            new Benchmarks(small, size, DType.BF16, 0, 1).run(List.of("decode"), Ceilings.measure(engine, BenchSize.quick()),
                new BenchListener() {
                    @Override
                    public void measured(BenchResult line) {
                        throw new AssertionError(line.toString());
                    }

                    @Override
                    public void tooLarge(String sentence) {
                        said.add(sentence);
                    }
                });
        }
        assertThat(said).hasSize(3).allSatisfy(sentence -> assertThat(sentence).startsWith("decode, tiny, 2 layers"));
    }

    /** llama.cpp is given this model's weights, and its rows stand beside ours by the shape's name. */
    @Test
    void peersRunTheShapeOfACpu() {
        ModelConfig peers = ModelConfig.read(Path.of("../jmh/peers/2b-2-layers"));
        ModelConfig ours = BenchSize.cpu(List.of(BenchSize.model("2b").orElseThrow())).models().getFirst().config(BenchSize.CPU_LAYERS);
        assertThat(peers).isEqualTo(ours);
    }

    @Test
    void theModelsShapesAreThere() {
        BenchSize full = BenchSize.full(List.of(BenchSize.model("2b").orElseThrow(), BenchSize.model("9b").orElseThrow()));
        List<String> layers = KernelShapes.layers(full, DType.BF16).stream().map(KernelShapes.Shape::layer).toList();
        assertThat(layers).contains("square, 4096 x 4096 x 4096 NT", "2B gate_proj forward, 4096 x 9216 x 2304 NT",
            "9B down_proj input gradient, 4096 x 14336 x 3584 NN",
            "2B head_dim 256, global, 4096", "9B head_dim 128, window 1024, 4096");
        assertThat(BenchSize.model("27c")).isEmpty();
    }
}
