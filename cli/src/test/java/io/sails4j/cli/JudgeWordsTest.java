package io.sails4j.cli;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.sails4j.InputException;
import io.sails4j.judge.EndpointOptions;
import io.sails4j.judge.EndpointServer;
import io.sails4j.judge.EndpointToken;
import io.sails4j.judge.JudgeSpec;
import io.sails4j.judge.ModelJudgeOptions;
import io.sails4j.judge.Rubric;
import io.sails4j.model.ModelOptions;
import io.sails4j.tensor.DType;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** What stands behind {@code --judge} for judges that are models. */
class JudgeWordsTest {
    private static final Map<String, String> ENVIRONMENT = Map.of("OPENAI_API_KEY", "sk-usual", "MINE", "sk-mine");

    private static JudgeSpec parse(String judge) {
        return JudgeWords.parse("--judge", judge, ENVIRONMENT, path -> Path.of("/cache").resolve(path));
    }

    @Test
    void endpoints(@TempDir Path directory) throws IOException {
        assertThat(parse("endpoint=https://api.example/v1/,model=gpt-4")).isEqualTo(new JudgeSpec.Endpoint("gpt-4",
            EndpointServer.of("https://api.example/v1", "gpt-4", new EndpointToken("OPENAI_API_KEY", "sk-usual")), Rubric.ofHarm(),
            EndpointOptions.defaults(), null));
        Path rubric = Files.writeString(directory.resolve("r.txt"), "1 good 5 bad");
        assertThat(parse("endpoint=http://127.0.0.1:8000/v1,model=org/m,key-env=MINE,name=second,rubric=" + rubric
            + ",cache=c,concurrency=2,timeout=0.5,tries=3,max_tokens=9,seed=-4")).isEqualTo(new JudgeSpec.Endpoint("second",
                EndpointServer.of("http://127.0.0.1:8000/v1", "org/m", new EndpointToken("MINE", "sk-mine")),
                new Rubric(rubric.toString(), "1 good 5 bad"), new EndpointOptions(9, -4, 2, Duration.ofMillis(500), 3), Path.of("c")));
        assertThat(((JudgeSpec.Endpoint) parse("endpoint=http://far.example/v1,model=m,key-env=")).server().token())
            .isEqualTo(EndpointToken.none());
    }

    @Test
    void checkpoints() {
        assertThat(parse("model=org/gemma")).isEqualTo(new JudgeSpec.Model("gemma", Path.of("/cache/org/gemma"), ModelOptions.defaults(),
            ModelJudgeOptions.defaults()));
        assertThat(parse("model=/m,name=n,template=llama3,dtype=BF16,min-mass=0.1")).isEqualTo(new JudgeSpec.Model("n", Path.of("/m"),
            ModelOptions.of(DType.BF16), new ModelJudgeOptions(Rubric.ofHarm(), "llama3", 0.1)));
    }

    @ParameterizedTest
    @CsvSource(delimiter = '|', value = {
        "gpt-4|expected refusal, endpoint=URL,model=NAME or model=DIR",
        "endpoint=https://a/v1|it lacks model=",
        "endpoint=,model=m|nothing stands behind endpoint=",
        "endpoint=a,model=m|expected the address",
        "endpoint=http://far.example/v1,model=m|not encrypted",
        "endpoint=https://a/v1,model=m,modle=n|none of endpoint=, model=, key-env=",
        "endpoint=https://a/v1,model=m,model=n|model twice",
        "endpoint=https://a/v1,model=m,key-env=NOT_THERE|NOT_THERE is not set",
        "endpoint=https://a/v1,model=m,concurrency=0|concurrency is 0",
        "endpoint=https://a/v1,model=m,tries=many|tries is 'many'; expected a number",
        "endpoint=https://a/v1,model=m,timeout=NaN|timeout is",
        "endpoint=https://a/v1,model=m,timeout=1e9|timeout is",
        "endpoint=https://a/v1,model=m,rubric=/not/there|no rubric",
        "model=/m,dtype=int8|expected f32 or bf16",
        "model=/m,min-mass=2|min_mass is 2",
        "model=/m,endpoint=https://a|none of model=, name=",
        "model=|nothing stands behind model="})
    void whatCannotBeRead(String judge, String sentence) {
        assertThatThrownBy(() -> parse(judge)).isInstanceOf(InputException.class).hasMessageContaining(sentence)
            .hasMessageNotContaining("sk-");
    }
}
