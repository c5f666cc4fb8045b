package io.sails4j.judge;

import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.SerializationFeature;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.EnumMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/**
 * Fits the weights of {@link RefusalModel}: multinomial logistic regression with a ridge, by Nesterov's accelerated gradient with a fixed
 * number of steps, so that the same examples give the same weights.
 */
final class RefusalFit {
    private static final int STEPS = 800;
    private static final double STEP = 0.25;
    private static final double RIDGE = 1;
    /** Partial refusals are rare, and kappa counts them as much. */
    private static final double PARTIAL = 1.5;
    /** Of an example that was made of another. */
    private static final double DERIVED = 0.3;
    private static final Verdict[] VERDICTS = Verdict.values();

    private final Cues cues = Cues.delivered();
    /** An answer in numbers, with what people say of it. */
    record Example(RefusalFeatures features, Verdict verdict, double weight) {
    }

    Example example(Exchange exchange, Verdict verdict) {
        return new Example(RefusalFeatures.of(exchange, cues), verdict, verdict == Verdict.PARTIAL_REFUSAL ? PARTIAL : 1);
    }

    /**
     * What other models would have said in place of an answer that refuses: its first declining sentence alone, and, where it calls
     * the request wrong in two sentences or more, all but its declining sentences.
     */
    List<Example> shorter(Exchange exchange) {
        List<Example> shorter = new ArrayList<>();
        List<RefusalFeatures.Marked> sentences = RefusalFeatures.of(exchange, cues).sentences();
        List<RefusalFeatures.Marked> rest = sentences.stream().filter(s -> !s.is("decline")).toList();
        sentences.stream().filter(s -> s.is("decline")).findFirst().ifPresent(first -> {
            shorter.add(derived(exchange, List.of(first)));
            if (rest.stream().filter(s -> s.is("norm") || s.is("warn_off")).count() >= 2) {
                shorter.add(derived(exchange, rest));
            }
        });
        return shorter;
    }

    private Example derived(Exchange exchange, List<RefusalFeatures.Marked> sentences) {
        String answer = String.join("\n", sentences.stream().map(s -> s.sentence().text()).toList());
        return new Example(RefusalFeatures.of(new Exchange(exchange.prompt(), answer), cues), Verdict.FULL_REFUSAL, DERIVED);
    }

    static RefusalModel fit(List<Example> examples) {
        List<String> names = List.copyOf(examples.getFirst().features.values().keySet());
        double[][] x = examples.stream().map(e -> values(e.features)).toArray(double[][]::new);
        double[][] w = new double[VERDICTS.length][names.size() + 1];
        double[][] before = new double[VERDICTS.length][names.size() + 1];
        for (int step = 1; step <= STEPS; step++) {
            double momentum = (step - 1.0) / (step + 2.0);
            double[][] at = new double[VERDICTS.length][names.size() + 1];
            for (int v = 0; v < at.length; v++) {
                for (int j = 0; j < at[v].length; j++) {
                    at[v][j] = w[v][j] + momentum * (w[v][j] - before[v][j]);
                }
            }
            double[][] gradient = gradient(at, x, examples);
            before = w;
            w = new double[VERDICTS.length][names.size() + 1];
            for (int v = 0; v < at.length; v++) {
                for (int j = 0; j < at[v].length; j++) {
                    w[v][j] = at[v][j] - STEP * gradient[v][j];
                }
            }
        }
        return model(names, w);
    }

    private static double[] values(RefusalFeatures features) {
        double[] values = features.values().values().stream().mapToDouble(d -> d).toArray();
        double[] withBias = Arrays.copyOf(values, values.length + 1);
        withBias[values.length] = 1;
        return withBias;
    }

    private static double[][] gradient(double[][] w, double[][] x, List<Example> examples) {
        double total = examples.stream().mapToDouble(Example::weight).sum();
        double[][] gradient = new double[w.length][w[0].length];
        for (int i = 0; i < x.length; i++) {
            double[] p = softmax(w, x[i]);
            for (int v = 0; v < w.length; v++) {
                double error = (p[v] - (examples.get(i).verdict == VERDICTS[v] ? 1 : 0)) * examples.get(i).weight / total;
                for (int j = 0; j < x[i].length; j++) {
                    gradient[v][j] += error * x[i][j];
                }
            }
        }
        for (int v = 0; v < w.length; v++) {
            for (int j = 0; j < w[v].length - 1; j++) {
                gradient[v][j] += RIDGE / total * w[v][j];
            }
        }
        return gradient;
    }

    private static double[] softmax(double[][] w, double[] x) {
        double[] p = new double[w.length];
        double sum = 0;
        for (int v = 0; v < w.length; v++) {
            double score = 0;
            for (int j = 0; j < x.length; j++) {
                score += w[v][j] * x[j];
            }
            p[v] = Math.exp(score);
            sum += p[v];
        }
        for (int v = 0; v < w.length; v++) {
            p[v] /= sum;
        }
        return p;
    }

    /** With four decimals, which is what the resource has. */
    private static RefusalModel model(List<String> names, double[][] w) {
        Map<String, Map<Verdict, Double>> weights = new LinkedHashMap<>();
        for (int j = 0; j < names.size(); j++) {
            weights.put(names.get(j), column(w, j));
        }
        return new RefusalModel(column(w, names.size()), weights);
    }

    private static Map<Verdict, Double> column(double[][] w, int j) {
        Map<Verdict, Double> column = new EnumMap<>(Verdict.class);
        for (int v = 0; v < w.length; v++) {
            column.put(VERDICTS[v], Math.round(w[v][j] * 1e4) / 1e4);
        }
        return column;
    }

    /** The resource's text. */
    static String json(RefusalModel model, String fittedOn) throws java.io.IOException {
        ObjectMapper mapper = new ObjectMapper().enable(SerializationFeature.INDENT_OUTPUT);
        ObjectNode json = mapper.createObjectNode()
            .put("what", "weights of io.sails4j.judge.RefusalModel; docs/evaluation.md says how good they are")
            .put("fitted_on", fittedOn)
            .put("fitted_by", "io.sails4j.judge.RefusalFit: mvn -pl java-api test -Dtest=RefusalFitTest -Drefusal.write=true");
        ObjectNode bias = json.putObject("bias");
        model.bias().forEach((verdict, value) -> bias.put(verdict.key(), value));
        ObjectNode weights = json.putObject("weights");
        model.weights().forEach((feature, values) -> {
            ObjectNode of = weights.putObject(feature);
            values.forEach((verdict, value) -> of.put(verdict.key(), value));
        });
        return mapper.writeValueAsString(json) + "\n";
    }
}
