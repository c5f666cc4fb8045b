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
import java.util.Locale;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/**
 * Runs Jazzer on each parser in a process of its own, one after another, and prints at the end what each did. Corpora stay in the directory
 * for the next time; a finding is a file there, to be kept in {@code src/test/resources/regressions/PARSER/} once it is understood.
 */
public final class FuzzAll {
    private static final Pattern DONE = Pattern.compile("#(\\d+)\\s+(?:DONE|INITED|pulse|NEW|REDUCE|RELOAD).*?cov: (\\d+).*?corp: (\\d+)");
    private static final List<String> FINDING = List.of("== Java Exception", "== Java Assertion", "ERROR: libFuzzer", "Test unit written");

    private final Path directory;
    private final String seconds;

    private FuzzAll(Path directory, String seconds) {
        this.directory = directory;
        this.seconds = seconds;
    }

    /**
     * What one parser's run did.
     *
     * @param coverage edges of sails4j's own code that inputs reach
     * @param finding empty where nothing was found
     */
    private record Done(Parsers parser, long executions, long coverage, long corpus, double took, String finding) {
        @Override
        public String toString() {
            return String.format(Locale.ROOT, "%-20s %12d %9d %7d %10.0f  %s", parser.label(), executions, coverage, corpus,
                executions / Math.max(took, 1e-3), finding).stripTrailing();
        }
    }

    /** DIRECTORY SECONDS all|PARSER,... */
    public static void main(String[] arguments) throws IOException, InterruptedException {
        FuzzAll all = new FuzzAll(Path.of(arguments[0]), arguments[1]);
        List<Parsers> parsers = arguments[2].equals("all") ? List.of(Parsers.values())
            : Arrays.stream(arguments[2].split(",")).map(Parsers::named).toList();
        List<Done> done = new ArrayList<>();
        for (Parsers parser : parsers) {
            done.add(all.run(parser));
            System.out.println(done.getLast());
        }
        System.out.printf("%n%-20s %12s %9s %7s %10s%n", "parser", "executions", "coverage", "corpus", "a second");
        done.forEach(System.out::println);
        System.out.printf("%-20s %12d%n", "all", done.stream().mapToLong(Done::executions).sum());
        System.exit(done.stream().allMatch(run -> run.finding().isEmpty()) ? 0 : 1);
    }

    private Done run(Parsers parser) throws IOException, InterruptedException {
        Path corpus = Files.createDirectories(directory.resolve(parser.label()).resolve("corpus"));
        int number = 0;
        for (byte[] seed : Seeds.of(parser)) {
            Files.write(corpus.resolve("seed-" + number++), seed);
        }
        long begin = System.nanoTime();
        Process process = new ProcessBuilder(command(parser, corpus)).redirectErrorStream(true).start();
        long[] last = new long[3];
        List<String> finding = new ArrayList<>();
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
                    finding.add(line);
                }
            }
        }
        boolean passed = process.waitFor() == 0;
        return new Done(parser, last[0], last[1], last[2], (System.nanoTime() - begin) / 1e9,
            passed ? "" : "FAILED " + String.join(" ", finding) + " (" + log + ")");
    }

    private List<String> command(Parsers parser, Path corpus) throws IOException {
        List<String> command = new ArrayList<>(List.of(Path.of(System.getProperty("java.home"), "bin", "java").toString(),
            "--enable-native-access=ALL-UNNAMED", "-Xmx2g", "-XX:+UseSerialGC", "-Dfuzz.parser=" + parser.label()));
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
            "-timeout=60", "-rss_limit_mb=4096", "-max_len=8192", "-reload=0", "-print_final_stats=1",
            "-dict=" + dictionary(parser, corpus),
            corpus.toString()));
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
