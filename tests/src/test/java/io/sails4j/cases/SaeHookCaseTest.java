package io.sails4j.cases;

import static org.assertj.core.api.Assertions.assertThat;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import io.sails4j.cli.Main;
import io.sails4j.data.Progress;
import io.sails4j.demo.DemoWorld;
import io.sails4j.ops.Engine;
import io.sails4j.testing.Backends;
import java.io.ByteArrayOutputStream;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** SAEs of other places than the layer that is asked for, by the command line: {@code sae-hook} of the cases beside the reference data. */
class SaeHookCaseTest {
    @TempDir
    private static Path root;
    private static Path cases;

    @TempDir
    private Path directory;

    @BeforeAll
    static void makeWorld() {
        cases = Path.of(System.getProperty("sails.reference", "../shared/reference")).resolveSibling("cases").resolve("sae-hook");
        if (!Files.isDirectory(cases)) {
            System.out.println("SKIPPED: no cases at " + cases + "; they lie beside the directory of -Dsails.reference=DIR");
        }
        assumeTrue(Files.isDirectory(cases), "no cases at " + cases);
        try (Engine engine = Backends.open("cpu")) {
            new DemoWorld(root).make(engine, new DemoWorld.Size(128, 4, 32, 512, 800, 2, 512, 1), 24, 5, Progress.none());
        }
    }

    private record Run(int code, String err) {
    }

    private Run subspace(int layer, String sae) {
        PrintStream usual = System.err;
        ByteArrayOutputStream err = new ByteArrayOutputStream();
        System.setErr(new PrintStream(err, true, StandardCharsets.UTF_8));
        try {
            int code = Main.run("subspace", "--backend", "cpu", "--model", root.resolve("model").toString(), "--data",
                root.resolve("preferences.jsonl").toString(), "--sae", layer + "=" + cases.resolve(sae), "--out",
                directory.resolve("subspace.safetensors").toString());
            return new Run(code, err.toString(StandardCharsets.UTF_8));
        } finally {
            System.setErr(usual);
        }
    }

    /** blocks.2.hook_resid_pre is the stream after layer 1. */
    @Test
    void pre() {
        Run wrong = subspace(2, "pre");
        assertThat(wrong.code()).as(wrong.err()).isEqualTo(2);
        assertThat(wrong.err()).contains("blocks.2.hook_resid_pre", "after layer 1", "not to the residual stream after layer 2");
        assertThat(directory.resolve("subspace.safetensors")).doesNotExist();
        Run right = subspace(1, "pre");
        assertThat(right.code()).as(right.err()).isZero();
        assertThat(right.err()).containsOnlyOnce("blocks.2.hook_resid_pre is the residual stream after layer 1");
    }

    @Test
    void mlp() {
        Run wrong = subspace(2, "mlp");
        assertThat(wrong.code()).as(wrong.err()).isEqualTo(2);
        assertThat(wrong.err()).contains("blocks.2.hook_mlp_out", "expected blocks.N.hook_resid_post");
        assertThat(directory.resolve("subspace.safetensors")).doesNotExist();
    }
}
