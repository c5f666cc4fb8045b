package io.sails4j.cli;

import io.sails4j.InputException;
import io.sails4j.data.ChatTemplate;
import io.sails4j.judge.EndpointOptions;
import io.sails4j.judge.EndpointServer;
import io.sails4j.judge.EndpointToken;
import io.sails4j.judge.JudgeSpec;
import io.sails4j.judge.ModelJudgeOptions;
import io.sails4j.judge.Rubric;
import io.sails4j.model.ModelOptions;
import io.sails4j.tensor.DType;
import java.nio.file.Path;
import java.time.Duration;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.function.Function;
import java.util.function.UnaryOperator;
import org.jspecify.annotations.Nullable;

/**
 * The words of {@code --judge} and {@code --reward} for judges: {@code refusal}, or KEY=VALUE, separated by commas, the first of which says
 * the kind.
 */
final class JudgeWords {
    private static final List<String> ENDPOINT = List.of("endpoint", "model", "key-env", "name", "rubric", "cache", "concurrency",
        "timeout",
        "tries", "max-tokens", "seed");
    private static final List<String> MODEL = List.of("model", "name", "rubric", "template", "dtype", "min-mass");

    private final String flag;
    private final String judge;
    private final Map<String, String> values = new LinkedHashMap<>();

    private JudgeWords(String flag, String judge, List<String> known) {
        this.flag = flag;
        this.judge = judge;
        for (String word : judge.split(",", -1)) {
            int equals = word.indexOf('=');
            // The library's sentences spell names with underscores.
            String key = equals < 0 ? word : word.substring(0, equals).strip().replace('_', '-');
            if (equals < 0 || !known.contains(key)) {
                throw wrong("'" + word + "' in it is none of " + String.join("=, ", known) + "=");
            }
            if (values.put(key, word.substring(equals + 1).strip()) != null) {
                throw wrong("it says " + key + " twice");
            }
        }
    }

    /**
     * @param flag that they stand behind
     * @param environment where tokens are
     * @param locate finds a model's directory, which may lie in the hub's cache
     */
    static JudgeSpec parse(String flag, String judge, Map<String, String> environment, UnaryOperator<Path> locate) {
        if (judge.equals("refusal")) {
            return new JudgeSpec.Refusal();
        }
        if (judge.startsWith("endpoint=")) {
            return new JudgeWords(flag, judge, ENDPOINT).endpoint(environment);
        }
        if (judge.startsWith("model=")) {
            return new JudgeWords(flag, judge, MODEL).model(locate);
        }
        throw new InputException(flag + " is '" + judge + "', expected refusal, endpoint=URL,model=NAME or model=DIR");
    }

    private JudgeSpec endpoint(Map<String, String> environment) {
        EndpointOptions usual = EndpointOptions.defaults();
        String model = text("model", null);
        String variable = values.get("key-env");
        EndpointToken token = variable == null ? EndpointToken.usual(environment)
            : variable.isEmpty() ? EndpointToken.none() : EndpointToken.of(environment, variable);
        Duration timeout = values.containsKey("timeout")
            ? Duration.ofMillis(Math.round(1000 * number("timeout", 0.0, Double::parseDouble))) : usual.timeout();
        EndpointOptions options = new EndpointOptions(number("max-tokens", usual.maxTokens(), Integer::parseInt),
            number("seed", usual.seed(), Long::parseLong),
            number("concurrency", usual.concurrency(), Integer::parseInt), timeout,
            number("tries", usual.tries(), Integer::parseInt));
        String cache = values.get("cache");
        return new JudgeSpec.Endpoint(text("name", model), EndpointServer.of(text("endpoint", null), model, token), rubric(), options,
            cache == null ? null : Path.of(text("cache", null)));
    }

    private JudgeSpec model(UnaryOperator<Path> locate) {
        Path asked = Path.of(text("model", null));
        Path name = asked.getFileName();
        ModelJudgeOptions usual = ModelJudgeOptions.defaults();
        return new JudgeSpec.Model(text("name", name == null ? asked.toString() : name.toString()), locate.apply(asked),
            ModelOptions.of(dtype()), new ModelJudgeOptions(rubric(), text("template", ChatTemplate.CHECKPOINT),
                number("min-mass", usual.leastMass(), Double::parseDouble)));
    }

    private Rubric rubric() {
        return values.containsKey("rubric") ? Rubric.read(Path.of(text("rubric", null))) : Rubric.ofHarm();
    }

    private @Nullable DType dtype() {
        return switch (values.getOrDefault("dtype", "").toLowerCase(Locale.ROOT)) {
            case "" -> null;
            case "f32" -> DType.F32;
            case "bf16" -> DType.BF16;
            default -> throw wrong("dtype is '" + values.get("dtype") + "'; expected f32 or bf16");
        };
    }

    /** @param otherwise null = it must be there */
    private String text(String key, @Nullable String otherwise) {
        String value = values.getOrDefault(key, otherwise == null ? "" : otherwise);
        if (value.isEmpty()) {
            throw wrong(values.containsKey(key) ? "nothing stands behind " + key + "=" : "it lacks " + key + "=");
        }
        return value;
    }

    private <N> N number(String key, N otherwise, Function<String, N> parse) {
        String value = values.get(key);
        if (value == null) {
            return otherwise;
        }
        try {
            return parse.apply(value);
        } catch (NumberFormatException e) {
            throw wrong(key + " is '" + value + "'; expected a number");
        }
    }

    private InputException wrong(String sentence) {
        return new InputException(flag + " is '" + judge + "': " + sentence);
    }
}
