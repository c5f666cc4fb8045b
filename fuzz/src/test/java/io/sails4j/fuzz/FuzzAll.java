package io.sails4j.fuzz;

import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStreamReader;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Comparator;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.SequencedMap;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/**
 * Runs Jazzer on each parser in a process of its own, one after another, and prints at the end what each did. Corpora and the sums of all
 * runs stay in the directory for the next time; a finding is a file there, to be kept in
 * {@code src/test/resources/regressions/PARSER/} once it is understood.
 */
public final class FuzzAll {
    private static final Pattern DONE = Pattern
        .compile("#(\\d+)\\s+(?:DONE|INITED|pulse|NEW|REDUCE|RELOAD).*?cov: (\\d+).*?ft: (\\d+).*?corp: (\\d+)");
    private static final String SUMS = "sums.tsv";
    private static final List<String> FINDING = List.of("== Java Exception", "== Java Assertion", "ERROR: libFuzzer", "Test unit written");

    private final Path directory;
    private final String seconds;

    private FuzzAll(Path directory, String seconds) {
        this.directory = directory;
        this.seconds = seconds;
    }

    /**
     * What one run did, or all runs of a harness.
     *
     * @param coverage edges of sails4j's own code that inputs reach
     * @param features those with how often they are passed
     * @param findings runs that ended with one
     */
    private record Done(Harness harness, long executions, long coverage, long features, long corpus, double took, long findings) {
        static Done of(String line) {
            String[] cells = line.split("\t");
            return new Done(Harness.named(cells[0]), Long.parseLong(cells[1]), Long.parseLong(cells[2]), Long.parseLong(cells[3]),
                Long.parseLong(cells[4]), Double.parseDouble(cells[5]), Long.parseLong(cells[6]));
        }

        /** A line of the sums. */
        String line() {
            return String.join("\t", harness.label(), String.valueOf(executions), String.valueOf(coverage), String.valueOf(features),
                String.valueOf(corpus), String.format(Locale.ROOT, "%.1f", took), String.valueOf(findings)) + "\n";
        }

        /** The two together: a later run begins with the corpus of an earlier one. */
        Done and(Done later) {
            return new Done(harness, executions + later.executions, Math.max(coverage, later.coverage), Math.max(features, later.features),
                Math.max(corpus, later.corpus), took + later.took, findings + later.findings);
        }

        @Override
        public String toString() {
            return String.format(Locale.ROOT, "%-26s %12d %9d %9d %7d %9.0f %9d", harness.label(), executions, coverage, features, corpus,
                executions / Math.max(took, 1e-3), findings);
        }
    }

    /** DIRECTORY SECONDS all|HARNESS,... */
    public static void main(String[] arguments) throws IOException, InterruptedException {
        FuzzAll all = new FuzzAll(Path.of(arguments[0]), arguments[1]);
        List<Harness> harnesses = arguments[2].equals("all") ? Harness.all()
            : Arrays.stream(arguments[2].split(",")).map(Harness::named).toList();
        long findings = 0;
        for (Harness harness : harnesses) {
            Done done = all.run(harness);
            findings += done.findings();
            System.out.println(done);
        }
        all.printSums();
        System.exit(findings == 0 ? 0 : 1);
    }

    /** What all runs in this directory came to. */
    private void printSums() throws IOException {
        SequencedMap<Harness, Done> sums = new LinkedHashMap<>();
        Files.readAllLines(directory.resolve(SUMS)).stream().map(Done::of).forEach(done -> sums.merge(done.harness(), done, Done::and));
        System.out.printf("%n%-26s %12s %9s %9s %7s %9s %9s%n", "all runs so far", "executions", "coverage", "features", "corpus",
            "a second",
            "findings");
        sums.values().stream().sorted(Comparator.comparing(done -> done.harness().label())).forEach(System.out::println);
        System.out.printf("%-26s %12d%n", "all", sums.values().stream().mapToLong(Done::executions).sum());
    }

    private Done run(Harness harness) throws IOException, InterruptedException {
        Path corpus = Files.createDirectories(directory.resolve(harness.directory()).resolve("corpus"));
        int number = 0;
        for (byte[] seed : harness.shape().seeds(harness.parser())) {
            Files.write(corpus.resolve("seed-" + number++), seed);
        }
        long begin = System.nanoTime();
        Process process = new ProcessBuilder(command(harness, corpus)).redirectErrorStream(true).start();
        long[] last = new long[4];
        Path log = corpus.resolveSibling("log.txt");
        try (BufferedReader lines = new BufferedReader(new InputStreamReader(process.getInputStream(), StandardCharsets.UTF_8));
             var out = Files.newBufferedWriter(log)) {
            for (String line = lines.readLine(); line != null; line = lines.readLine()) {
                out.write(line + "\n");
                Matcher matcher = DONE.matcher(line);
                if (matcher.find()) {
                    Arrays.setAll(last, i -> Long.parseLong(matcher.group(i + 1)));
                }
                if (FINDING.stream().anyMatch(line::contains)) {
                    System.out.println(harness.label() + ": " + line);
                }
            }
        }
        boolean passed = process.waitFor() == 0;
        if (!passed) {
            System.out.println(harness.label() + " FAILED, see " + log);
        }
        Done done = new Done(harness, last[0], last[1], last[2], last[3], (System.nanoTime() - begin) / 1e9, passed ? 0 : 1);
        Files.writeString(directory.resolve(SUMS), done.line(), StandardOpenOption.CREATE, StandardOpenOption.APPEND);
        return done;
    }

    private List<String> command(Harness harness, Path corpus) throws IOException {
        List<String> command = new ArrayList<>(List.of(Path.of(System.getProperty("java.home"), "bin", "java").toString(),
            "--enable-native-access=ALL-UNNAMED", "-Xmx2g", "-XX:+UseSerialGC", "-Dfuzz.parser=" + harness.label()));
        // Most inputs end in an exception, and its stack costs more than the parser. A finding is an input: a test shows where it fails.
        command.add("-XX:-StackTraceInThrowable");
        String libraries = System.getProperty("sails.library.dir");
        if (libraries != null) {
            command.add("-Dsails.library.dir=" + libraries);
        }
        // The timeout counts the first input too, which loads the classes: on a busy machine that takes ten seconds. Checked asks for one.
        // Sanitizers of Jazzer look for paths and class names from the input in files that are opened, which is what a parser of paths
        // does. The corpus is nobody else's: it need not be read again each second.
        command.addAll(List.of("-cp", System.getProperty("java.class.path"), "com.code_intelligence.jazzer.Jazzer",
            "--target_class=io.sails4j.fuzz.FuzzTarget", "--instrumentation_includes=io.sails4j.**",
            "--instrumentation_excludes=io.sails4j.fuzz.**", "--custom_hook_includes=io.sails4j.**",
            "--reproducer_path=" + corpus.getParent(), "-artifact_prefix=" + corpus.getParent() + "/", "-max_total_time=" + seconds,
            "-timeout=60", "-rss_limit_mb=4096", "-max_len=" + (harness.shape() == Shape.BYTES ? 8192 : 400), "-reload=0",
            "-print_final_stats=1", corpus.toString()));
        if (harness.shape() == Shape.BYTES) {
            command.add("-dict=" + dictionary(harness.parser(), corpus));
        }
        return command;
    }

    /** The words of the seeds, from which a fuzzer builds what bytes alone would take long to meet. */
    private static Path dictionary(Parsers parser, Path corpus) throws IOException {
        List<String> words = new ArrayList<>();
        for (byte[] seed : Seeds.of(parser)) {
            Matcher matcher = Pattern.compile("[A-Za-z_][A-Za-z0-9_.]{2,30}").matcher(new String(seed, StandardCharsets.ISO_8859_1));
            while (matcher.find()) {
                words.add("\"" + matcher.group() + "\"");
            }
        }
        return Files.write(corpus.resolveSibling("words.dict"), words.stream().distinct().limit(200).toList());
    }
}
