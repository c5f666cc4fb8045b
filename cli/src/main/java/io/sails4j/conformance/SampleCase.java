package io.sails4j.conformance;

import io.sails4j.tensor.DType;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Comparator;
import java.util.List;
import java.util.random.RandomGenerator;
import java.util.stream.IntStream;

/** Sampling of token ids. */
public record SampleCase(int rows, int vocab, float temperature, long topK, float topP) implements OpCase {
    /** Closer to a decision than this, float32 may decide otherwise; such rows are drawn again. */
    private static final double MARGIN = 1e-4;
    private static final int LARGE = 20_011;

    static List<OpCase> all() {
        List<OpCase> cases = new ArrayList<>();
        for (int[] s : new int[][] {{0, 7}, {1, 1}, {5, 17}, {9, 331}, {3, 1033}}) {
            cases.add(new SampleCase(s[0], s[1], 0, 0, 1));
            cases.add(new SampleCase(s[0], s[1], 1, 0, 1));
            cases.add(new SampleCase(s[0], s[1], 0.7f, 5, 1));
            cases.add(new SampleCase(s[0], s[1], 1.3f, 0, 0.8f));
            cases.add(new SampleCase(s[0], s[1], 0.9f, 12, 0.9f));
            cases.add(new SampleCase(s[0], s[1], 1, 1, 1));
        }
        // A thousand of each of the tied logits, the chosen one among the first thousand. (A cut at top_p would be too close in every row.)
        cases.add(new SampleCase(2, LARGE, 0, 0, 1));
        cases.add(new SampleCase(2, LARGE, 1, 0, 1));
        cases.add(new SampleCase(2, LARGE, 1.3f, 900, 1));
        return cases;
    }

    @Override
    public String operation() {
        return "sample";
    }

    @Override
    public DType dtype() {
        return DType.F32;
    }

    @Override
    public double flops() {
        return 4.0 * rows * vocab;
    }

    @Override
    public Runnable prepare(Fixture f) {
        double[] drawn = new double[rows * vocab];
        double[] points = new double[rows];
        int[] expected = new int[rows];
        if (f.isTimed()) {
            Arrays.setAll(drawn, i -> 2 * f.random().nextGaussian());
            Arrays.setAll(points, i -> f.random().nextDouble());
        }
        for (int row = 0; row < rows && !f.isTimed(); row++) {
            boolean clear;
            do {
                clear = draw(f.random(), row, drawn, points, expected);
            } while (!clear);
        }
        Operand logits = f.input("logits", DType.F32, Draw.of(drawn), rows, vocab);
        Operand uniform = temperature == 0 ? null : f.input("uniform", DType.F32, Draw.of(points), rows);
        Operand ids = f.output("ids", DType.I32, rows);
        f.oracle(() -> {
            for (int row = 0; row < rows; row++) {
                ids.expectExactly(row, expected[row]);
            }
        });
        return () -> f.ops().sampling().sample(ids.tensor(), logits.tensor(), Fixture.tensorOrNull(uniform), temperature, topK, topP);
    }

    /** Draws one row, its point in [0, 1) and the id that must come out; false where a decision is too close. */
    private boolean draw(RandomGenerator random, int row, double[] logits, double[] points, int[] expected) {
        double[] own = new double[vocab];
        for (int i = 0; i < vocab; i++) {
            // Halves make ties, in a large vocabulary many of each; ties between neighbours in the order do not make the sums unclear.
            own[i] = random.nextInt(4) < (vocab == LARGE ? 3 : 1) ? random.nextInt(-4, 5) * 0.5 : (float) (2 * random.nextGaussian());
            logits[row * vocab + i] = own[i];
        }
        Comparator<Integer> falling = Comparator.comparingDouble((Integer i) -> -own[i]).thenComparing(i -> i);
        List<Integer> order = IntStream.range(0, vocab).boxed().sorted(falling).toList();
        if (temperature == 0) {
            expected[row] = order.getFirst();
            return true;
        }
        int kept = topK == 0 ? vocab : (int) Math.min(topK, vocab);
        double[] mass = order.stream().limit(kept).mapToDouble(i -> Math.exp((own[i] - own[order.getFirst()]) / temperature)).toArray();
        double total = IntStream.range(0, kept).mapToDouble(i -> mass[i]).sum();
        int inSet = 0;
        double reached = 0;
        while (inSet < kept && (topP == 1 || reached < topP * total)) {
            reached += mass[inSet++];
            if (topP < 1 && Math.abs(reached / total - topP) < MARGIN) {
                return false;
            }
        }
        int chosen = random.nextInt(Math.min(vocab == LARGE ? 1000 : inSet, 1 + random.nextInt(inSet)));
        double before = IntStream.range(0, chosen).mapToDouble(i -> mass[i]).sum() / reached;
        double width = mass[chosen] / reached;
        points[row] = before + width * (0.25 + 0.5 * random.nextDouble());
        expected[row] = order.get(chosen);
        return width > 8 * MARGIN * 0.1 && points[row] < 1;
    }
}
