package io.sails4j.launcher;

import static org.assertj.core.api.Assertions.assertThat;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import io.sails4j.config.ModelFamily;
import io.sails4j.data.Progress;
import io.sails4j.data.Tokenizer;
import io.sails4j.demo.DemoWorld;
import io.sails4j.ops.Engine;
import io.sails4j.testing.Backends;
import java.io.IOException;
import java.nio.file.FileSystemException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.stream.Collectors;
import java.util.stream.IntStream;
import java.util.stream.Stream;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/**
 * What once went wrong in silence, each case as a user meets it: the launcher, no environment but PATH and LC_ALL=C, the files of
 * {@code cases/} beside the reference data. What needs streams or other locales is LauncherTest's, two runs of one output TwoRunsTest's.
 */
class CasesTest {
    private static final Path CASES = Path.of(System.getProperty("sails.reference", "../../shared/reference")).resolveSibling("cases")
        .toAbsolutePath().normalize();
    private static final String BARE = "-i PATH=/usr/bin:/bin LC_ALL=C SAILS_JAVA_OPTS='" + Launcher.JAVA_OPTIONS + "'";
    private static final String CPU = "--backend cpu --threads 1 ";
    @TempDir
    private static Path root;
    private static Launcher sails;

    @BeforeAll
    static void makeWorld() throws IOException {
        if (!Files.isDirectory(CASES)) {
            System.out.println("SKIPPED: no cases at " + CASES + "; they lie beside the directory of -Dsails.reference=DIR");
        }
        assumeTrue(Files.isDirectory(CASES), "no cases at " + CASES);
        sails = Launcher.in(Files.createDirectories(root.resolve("archive")));
        try (Engine engine = Backends.open("cpu")) {
            new DemoWorld(root).make(engine, ModelFamily.LLAMA, new DemoWorld.Size(128, 4, 32, 512, 800, 2, 512, 1), 24, 5,
                Progress.none());
        }
        copy(root.resolve("model"), root.resolve("chatml"));
        Path tokenizer = root.resolve("chatml/tokenizer.json");
        Files.writeString(tokenizer,
            Files.readString(tokenizer).replace("<unk>", "<|im_start|>").replace("<|end_of_text|>", "<|im_end|>"));
        copy(CASES.resolve("chat-template"), root.resolve("chatml"));
        for (String name : List.of("bom", "eos-null")) {
            copy(CASES.resolve("model"), root.resolve(name));
            copy(CASES.resolve(name), root.resolve(name));
        }
        copy(CASES.resolve("saved-embeddings/default_suffix"), root.resolve("alpha-null"));
        Path config = root.resolve("alpha-null/adapter_config.json");
        Files.writeString(config, Files.readString(config).replaceFirst("\"lora_alpha\": *[0-9.]+", "\"lora_alpha\": null"));
    }

    /** The files of a directory, those there are in the other's place. */
    private static void copy(Path from, Path to) throws IOException {
        Files.createDirectories(to);
        try (Stream<Path> files = Files.list(from)) {
            for (Path file : files.filter(Files::isRegularFile).toList()) {
                Files.write(to.resolve(file.getFileName()), Files.readAllBytes(file));
            }
        }
    }

    /**
     * A case.
     *
     * @param command words at spaces; CASES and WORLD stand for directories, ~ for a no-break space
     * @param said parts of standard output and error, all of them
     */
    private record Case(String name, String command, int exit, List<String> said) {
        static Case of(String name, String command, int exit, String... said) {
            return new Case(name, command, exit, List.of(said));
        }

        List<String> words() {
            return Arrays.stream(command.split(" ")).map(word -> word.replace("CASES", CASES.toString()).replace("WORLD", root.toString())
                .replace('~', '\u00a0')).toList();
        }

        @Override
        public String toString() {
            return name;
        }
    }

    static List<Case> cases() {
        List<Case> cases = new ArrayList<>(List.of(
            Case.of("sae-hook, pre at its layer", "subspace " + CPU + "--model WORLD/model --data WORLD/preferences.jsonl --limit 4"
                + " --sae 1=CASES/sae-hook/pre --out WORLD/pre.safetensors", 0,
                "blocks.2.hook_resid_pre is the residual stream after layer 1"),
            Case.of("sae-hook, pre at another", "subspace " + CPU + "--model WORLD/model --data WORLD/preferences.jsonl"
                + " --sae 2=CASES/sae-hook/pre --out WORLD/none", 2, "blocks.2.hook_resid_pre", "not to the residual stream after layer 2"),
            Case.of("sae-hook, mlp", "subspace " + CPU + "--model WORLD/model --data WORLD/preferences.jsonl"
                + " --sae 2=CASES/sae-hook/mlp --out WORLD/none", 2, "blocks.2.hook_mlp_out", "expected blocks.N.hook_resid_post"),
            Case.of("--sae without a layer", "subspace --model WORLD/model --sae s/ok --out WORLD/none", 2, "--sae s/ok names no layer",
                "expected LAYER=PATH"),
            Case.of("lfs-pointer", "inspect CASES/lfs-pointer/lfs", 2, "Git LFS pointer", "4976698672 bytes", "git lfs pull"),
            Case.of("lfs-pointer as a template",
                "generate " + CPU + "--model WORLD/model --chat x --template CASES/lfs-pointer/lfs/model.safetensors", 2,
                "Git LFS pointer"),
            Case.of("inv-freq", "inspect CASES/inv-freq", 0, "complete and finite", "2 buffers that config.json determines",
                "model.layers.1.self_attn.rotary_emb.inv_freq"),
            Case.of("bom, a model", "inspect WORLD/bom", 0, "complete and finite"),
            Case.of("bom, an adapter", "inspect --model CASES/model CASES/bom/adapter", 0, "PEFT LoRA adapter, complete and finite"),
            Case.of("saved-embeddings, whole ones", "inspect --model CASES/model CASES/saved-embeddings/savedemb", 2, "whole embeddings",
                "merge_and_unload", "save_embedding_layers=False"),
            Case.of("saved-embeddings, .default.weight", "inspect --model CASES/model CASES/saved-embeddings/default_suffix", 0,
                "modules      4"),
            Case.of("lora_alpha null", "inspect --model CASES/model WORLD/alpha-null", 2, "'lora_alpha' is null"),
            Case.of("eos-null", "generate " + CPU + "--json --model WORLD/eos-null --tokens 5,6 --max-new-tokens 12", 0,
                "\"prompt_ids\":[5,6]", "12 tokens after a prompt of 2"),
            Case.of("an unknown file", "inspect CASES/README.md", 2, "no kind that is known"),
            Case.of("--max-length past the model", "align " + CPU + "--model WORLD/model --method lora --data CASES/full-hh/trl.jsonl"
                + " --max-length 2000 --out WORLD/none", 2, "--max-length is 2000", "max_position_embeddings of 1024"),
            Case.of("--out .", align("."), 2, ". is the directory that this runs in"),
            Case.of("--out where nobody can write", align("/proc/none"), 2, "/proc/none cannot be written", "choose another output"),
            Case.of("--threads 10000", "generate --model WORLD/model --prompt x --threads 10000", 2, "threads")));
        cases.addAll(List.of(pairs("full-hh/full_hh.jsonl", "full-hh-rlhf"), pairs("ultrafeedback/ultrafeedback.jsonl", "UltraFeedback"),
            pairs("json-values/nan.jsonl", "TRL"), pairs("json-values/nullprompt.jsonl", "HH-RLHF"), pairs("json-values/array.json", "TRL"),
            pairs("system-turn/system.jsonl", "TRL", "pairs for this model         4", "Y|ou| are|"),
            pairs("nbsp/nbsp.jsonl", "TRL", "4 pairs left out: an answer is empty (line 1, 2, 3, 4)")));
        return cases;
    }

    private static String align(String out) {
        return "align " + CPU + "--model WORLD/model --method lora --data CASES/full-hh/trl.jsonl --out " + out;
    }

    /** Preference data as the model will see it: the same dialogues are the same tokens in every form. */
    private static Case pairs(String file, String format, String... said) {
        List<String> all = new ArrayList<>(List.of("format                       " + format));
        all.addAll(said.length > 0 ? List.of(said)
            : List.of("pairs for this model         4", "<|end_header_id|>|\n|\n|".replace("\n", "\\n"), "[<|eot_id|>]"));
        return new Case(file, "inspect --model WORLD/model CASES/" + file, 0, all);
    }

    @ParameterizedTest
    @MethodSource("cases")
    void oneSentenceOrTheRightResult(Case given) throws Exception {
        Launcher.Ended ended = sails.run(BARE, "", given.words().toArray(String[]::new));
        assertThat(ended.exit()).as(ended.err()).isEqualTo(given.exit());
        assertThat(ended.out() + ended.err()).contains(given.said()).doesNotContain("Exception in", "\tat ");
        if (given.exit() != 0) {
            assertThat(ended.err().lines().filter(line -> line.startsWith("sails: "))).as(ended.err()).hasSize(1);
            assertThat(root.resolve("none")).doesNotExist();
        }
    }

    private static String ids(int[]... parts) {
        return Arrays.stream(parts).flatMapToInt(IntStream::of).mapToObj(String::valueOf).collect(Collectors.joining(",", "[", "]"));
    }

    private static Launcher.Ended chat(String model, String text) throws Exception {
        return sails.run(BARE, "", "generate", "--backend", "cpu", "--threads", "1", "--json", "--model", root.resolve(model).toString(),
            "--max-new-tokens", "1", "--chat", text);
    }

    /** The checkpoint's ChatML, whose two marks are control tokens in the places of others. */
    @Test
    void chatTemplate() throws Exception {
        Launcher.Ended ended = chat("chatml", "hi");
        assertThat(ended.exit()).as(ended.err()).isZero();
        try (Tokenizer tokenizer = Tokenizer.load(root.resolve("chatml"))) {
            int[] start = {tokenizer.idOf("<|im_start|>")};
            assertThat(ended.out()).contains("\"prompt_ids\":" + ids(new int[] {tokenizer.bosId()}, start, tokenizer.encodeText("user\nhi"),
                new int[] {tokenizer.idOf("<|im_end|>")}, tokenizer.encodeText("\n"), start, tokenizer.encodeText("assistant\n")));
        }
    }

    /** No-break spaces are white space to Python's strip, and to the template's trim; an @ is no file. */
    @Test
    void whatAMessageBeginsWith() throws Exception {
        try (Tokenizer tokenizer = Tokenizer.load(root.resolve("model"))) {
            for (String text : List.of("\u00a0hi\u00a0", "@x")) {
                Launcher.Ended ended = chat("model", text);
                assertThat(ended.exit()).as(ended.err()).isZero();
                String asked = ids(tokenizer.encodeText("\n\n" + text.replace("\u00a0", ""))).replaceAll("[\\[\\]]", "");
                assertThat(ended.out()).contains("," + asked + "," + tokenizer.idOf("<|eot_id|>") + ",");
            }
        }
    }

    /** Another user's directory, and one that is mounted to be read alone, also for who is root elsewhere. */
    @Test
    void outputsThatOthersOwnOrThatAreReadOnly() throws Exception {
        if (new ProcessBuilder("unshare", "-rm", "true").redirectErrorStream(true).start().waitFor() != 0) {
            System.out.println("SKIPPED: this machine has no user namespaces for outputs that cannot be written");
            assumeTrue(false, "no user namespaces");
        }
        Path mounted = Files.createDirectories(root.resolve("mounted"));
        String within = BARE + " unshare -rm sh -c 'mount -t tmpfs -o ro none " + mounted + " && exec \"$@\"' x";
        for (String out : List.of(mounted + "/out", others() + "/out")) {
            Launcher.Ended ended = sails.run(within, "", Case.of("", align(out), 2).words().toArray(String[]::new));
            assertThat(ended.exit()).as(ended.err()).isEqualTo(2);
            assertThat(ended.err()).contains(out + " cannot be written", "choose another output").doesNotContain("step");
        }
    }

    /** A directory of a user that the namespace does not know; whoever may not make one does not own /usr. */
    private static Path others() throws IOException {
        Path directory = Files.createDirectories(root.resolve("others"));
        try {
            Files.setAttribute(directory, "unix:uid", 1234);
            return directory;
        } catch (FileSystemException _) {
            return Path.of("/usr");
        }
    }

    @Test
    void aPipeIsNoFile() throws Exception {
        Path pipe = root.resolve("pipe");
        assertThat(new ProcessBuilder("mkfifo", pipe.toString()).start().waitFor()).isZero();
        Launcher.Ended ended = sails.run(BARE, "", "inspect", pipe.toString());
        assertThat(ended.exit()).as(ended.err()).isEqualTo(2);
        assertThat(ended.err()).contains("pipe").hasLineCount(1);
    }
}
