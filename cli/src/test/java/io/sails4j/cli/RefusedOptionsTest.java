package io.sails4j.cli;

import static org.assertj.core.api.Assertions.assertThat;

import io.sails4j.NativeException;
import java.io.PrintWriter;
import java.io.StringWriter;
import java.util.List;
import java.util.concurrent.ExecutionException;
import java.util.function.Supplier;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import picocli.CommandLine;
import picocli.CommandLine.Command;

/** What a command line cannot mean: sizes that no machine has, and options that nothing reads. No file of these is there to be opened. */
class RefusedOptionsTest {
    @ParameterizedTest
    @CsvSource(delimiter = '|', textBlock = """
        eval --model m --prompts p --out @ --batch 2147483647                    | --batch is 2147483647, expected 1 to 65536
        eval --model m --prompts p --out @ --decode-rows 2147483647              | --decode-rows is 2147483647
        eval --model m --prompts p --out @ --temperature 1e308                   | the temperature is 1.0E308
        eval --model m --prompts p --out @ --temperature 1e-300                  | the temperature is 1.0E-300
        eval --model m --prompts p --out @ --temperature 1 --top-p 1e-300        | top-p is 1.0E-300
        attack prefill --model m --prompts p --out @ --decode-rows 2147483647    | --decode-rows is 2147483647
        explain --model m --subspace s --out @ --context 2147483647              | --context is 2147483647
        explain --model m --subspace s --out @ --neighbours 2147483647           | --neighbours is 2147483647
        explain --model m --subspace s --out @ --lens-tokens 2147483647          | --lens-tokens is 2147483647
        align --model m --out @ --objective rloo --reward refusal --samples 2000000000  | lower samples or --prompts-per-step
        align --model m --out @ --objective rloo --reward refusal --sequences 2000000000 | sequences is 2000000000
        sae train --model m --layers 1 --data d --out @ --lr NaN                 | --lr is NaN
        sae train --model m --layers 1 --data d --out @ --weight-decay -1        | --weight-decay is -1
        generate --model m --prompt x --threads -1                               | --threads is -1""")
    void absurdSizesAreRefused(String line, String part) {
        run(line).requireWrong(part);
    }

    @ParameterizedTest
    @CsvSource(delimiter = '|', textBlock = """
        genrate --model m               | there is no command 'genrate' (did you mean generate
        sae trian                       | (did you mean train?)
        generate --model m --promt x    | (did you mean --prompt
        xyzzy                           | there is no command 'xyzzy'; see""")
    void slipsOfTheKeyboardAreAnswered(String line, String part) {
        run(line).requireWrong(part);
    }

    @ParameterizedTest
    @CsvSource(delimiter = '|', textBlock = """
        align --model m --data d --out @ --method lora --variance 0              | --variance is given
        align --model m --data d --out @ --method lora --variance 0.5            | --variance is given
        align --model m --data d --out @ --subspace s --top-k 3                  | --top-k is given
        align --model m --data d --out @ --method lora --penalty 3               | --penalty is given
        align --model m --data d --out @ --method full --rank 4                  | --rank is given
        align --model m --data d --out @ --method lora --objective sft --beta 2  | --beta is given
        align --model m --out @ --method lora --objective rloo --reward refusal --prompts p --data d   | --data is given
        align --model m --out @ --method lora --objective rloo --reward refusal --prompts p --limit 3  | --limit is given
        subspace --model m --data d --identify direct --like l --variance 0.5 --out @ | --variance is given
        subspace --model m --identify random --like l --max-length 9 --out @     | --max-length is given
        sae train --model m --layers 1 --data d --kind jumprelu --k 3 --out @    | is given
        sae train --model m --layers 1 --data d --kind topk --bandwidth 2 --out @ | --bandwidth is given
        sae train --model m --layers 1 --data d --kind topk --sparsity 2 --out @ | --sparsity is given
        sae train --model m --layers 1 --data d --kind standard --aux-k 2 --out @ | --aux-k is given
        sae train --activations a --buffer-tokens 9999 --out @                   | --buffer-tokens is given
        sae eval --sae s --activations a --max-length 9                          | --max-length is given
        sae eval --sae s --activations a --recovered-cosine 0.9                  | --recovered-cosine is given
        explain --model m --subspace s --context 3 --out @                       | --context is given
        explain --model m --adapter a --passages 3 --out @                       | --passages is given
        eval --model m --prompts p --shots 3 --out @                             | --shots is given
        eval --model m --prompts p --stride 3 --out @                            | --stride is given
        eval --model m --prompts p --kl-tokens 3 --out @                         | --kl-tokens is given
        eval --model m --choices c --max-new-tokens 3 --out @                    | --max-new-tokens is given
        eval --model m --prompts p --top-p 0.5 --out @                           | --top-p is given
        attack gcg --model m --prompts p --proposals random --top-tokens 3 --out @ | --top-tokens is given
        generate --model m --prompt x --top-k 3                                  | --top-k is given
        generate --model m --prompt x --template gemma2                          | --template is given""")
    void optionsThatNothingReadsAreRefused(String line, String part) {
        run(line).requireWrong(part);
    }

    @Test
    void optionsOfABackendAreOptions() {
        for (String wrong : new String[] {"isa=none", "colour=blue", "isa", "matmul="}) {
            run("recovery --backend cpu --out @ --backend-options " + wrong).requireWrong("option", "see `sails recovery --help`");
        }
        for (String wrong : new String[] {"early=soon", "clusters=", "matmul=best"}) {
            run("recovery --backend emulator --out @ --backend-options " + wrong).requireWrong("option " + wrong.split("=")[0],
                "see `sails recovery --help`");
        }
    }

    private static CommandRun run(String line) {
        return CommandRun.of((Object[]) line.replace("@", "target/never").split(" +"));
    }

    /** A command that fails as the test says. */
    @Command(name = "fail")
    private static final class Failing implements Runnable {
        private final Supplier<Throwable> failure;

        private Failing(Supplier<Throwable> failure) {
            this.failure = failure;
        }

        @Override
        public void run() {
            sneak(failure.get());
        }

        @SuppressWarnings("unchecked")
        private static <T extends Throwable> void sneak(Throwable thrown) throws T {
            throw (T) thrown;
        }
    }

    private static String failingWith(Supplier<Throwable> failure) {
        StringWriter err = new StringWriter();
        CommandLine sails = Main.commandLine().addSubcommand(new Failing(failure));
        assertThat(Main.execute(sails.setErr(new PrintWriter(err)), "fail")).isEqualTo(1);
        return err.toString();
    }

    /** Also where a thread's future brings it. */
    @Test
    void memoryThatIsFullIsASentence() {
        for (Supplier<Throwable> failure : List.<Supplier<Throwable>>of(() -> new OutOfMemoryError("Java heap space"),
            () -> new IllegalStateException(new ExecutionException(new OutOfMemoryError("Java heap space"))))) {
            assertThat(failingWith(failure).lines()).singleElement().asString().contains("MiB is full: lower what sizes the work", "-Xmx");
        }
        assertThat(failingWith(StackOverflowError::new).lines()).singleElement().asString().contains("nested too deeply");
        assertThat(failingWith(() -> new NativeException("sails_alloc", NativeException.OUT_OF_MEMORY, "9 MiB")).lines()).singleElement()
            .asString().contains("9 MiB (out of memory); lower what sizes the work");
    }
}
