package io.sails4j.fuzz;

import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStreamReader;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/**
 * Runs Jazzer on each parser in a process of its own, one after another, and prints what it did. Corpora stay in the directory for the next
 * time; a finding is a file there, to be kept in {@code src/test/resources/regressions/PARSER/} once it is understood.
 */
public final class FuzzAll {
    private static final Pattern DONE = Pattern.compile("#(\\d+)\\s+(?:DONE|pulse|NEW|REDUCE|RELOAD).*?cov: (\\d+).*?corp: (\\d+)");

    private FuzzAll() {
    }

    /** DIRECTORY SECONDS all|PARSER,... */
    public static void main(String[] arguments) throws IOException, InterruptedException {
        Path directory = Path.of(arguments[0]);
        List<Parsers> parsers = arguments[2].equals("all") ? List.of(Parsers.values())
            : Arrays.stream(arguments[2].split(",")).map(Parsers::named).toList();
        int failed = 0;
        System.out.printf("%-20s %12s %9s %7s  %s%n", "parser", "executions", "coverage", "corpus", "");
        for (Parsers parser : parsers) {
            failed += run(parser, directory, arguments[1]) ? 0 : 1;
        }
        System.exit(failed == 0 ? 0 : 1);
    }

    private static boolean run(Parsers parser, Path directory, String seconds) throws IOException, InterruptedException {
        Path corpus = Files.createDirectories(directory.resolve(parser.label()).resolve("corpus"));
        int number = 0;
        for (byte[] seed : Seeds.of(parser)) {
            Files.write(corpus.resolve("seed-" + number++), seed);
        }
        List<String> command = new ArrayList<>(List.of(Path.of(System.getProperty("java.home"), "bin", "java").toString(),
            "--enable-native-access=ALL-UNNAMED", "-Xmx2g", "-Dfuzz.parser=" + parser.label()));
        for (String name : new String[] {"sails.library.dir"}) {
            if (System.getProperty(name) != null) {
                command.add("-D" + name + "=" + System.getProperty(name));
            }
        }
        // The timeout counts the first input too, which loads the classes: on a busy machine that takes ten seconds. Checked asks for one.
        // Sanitizers of Jazzer look for paths and class names from the input in files that are opened, which is what a parser of paths
        // does.
        command.addAll(List.of("-cp", System.getProperty("java.class.path"), "com.code_intelligence.jazzer.Jazzer",
            "--target_class=io.sails4j.fuzz.FuzzTarget", "--instrumentation_includes=io.sails4j.**", "--custom_hook_includes=io.sails4j.**",
            "--reproducer_path=" + corpus.getParent(), "-artifact_prefix=" + corpus.getParent() + "/", "-max_total_time=" + seconds,
            "-timeout=60", "-rss_limit_mb=4096", "-max_len=8192", "-print_final_stats=1", corpus.toString()));
        Process process = new ProcessBuilder(command).redirectErrorStream(true).start();
        String[] last = {"0", "0", "0"};
        List<String> finding = new ArrayList<>();
        Path log = corpus.resolveSibling("log.txt");
        try (BufferedReader lines = new BufferedReader(new InputStreamReader(process.getInputStream(), StandardCharsets.UTF_8));
             var out = Files.newBufferedWriter(log)) {
            for (String line = lines.readLine(); line != null; line = lines.readLine()) {
                out.write(line + "\n");
                Matcher matcher = DONE.matcher(line);
                if (matcher.find()) {
                    last = new String[] {matcher.group(1), matcher.group(2), matcher.group(3)};
                }
                if (line.startsWith("== Java Exception") || line.startsWith("== Java Assertion") || line.contains("ERROR: libFuzzer")
                    || line.contains("Test unit written")) {
                    finding.add(line);
                }
            }
        }
        boolean passed = process.waitFor() == 0;
        System.out.printf("%-20s %12s %9s %7s  %s%n", parser.label(), last[0], last[1], last[2],
            passed ? "" : "FAILED " + String.join(" ", finding) + " (" + log + ")");
        return passed;
    }
}
