package io.sails4j.cli;

import com.fasterxml.jackson.databind.node.ObjectNode;
import io.sails4j.bench.Bandwidth;
import io.sails4j.bench.BenchResult;
import io.sails4j.bench.Ceilings;
import io.sails4j.bench.Times;
import io.sails4j.tensor.DType;
import java.time.Instant;
import java.time.temporal.ChronoUnit;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.SequencedMap;
import org.jspecify.annotations.Nullable;

/** The lines of a run of benchmarks, with what it takes to read them later: device, driver, date, commit and the ceilings of that run. */
final class BenchReport {
    private static final String[] HEADER = {"group", "operation", "shape", "type", "time", "FLOP/s", "GB/s", "of ceiling", "tokens/s",
        "planned", "peak", "candidates/s",
        "first token p50, p99", "next token p50, p99", "monitor adds"};

    private static final int FLOPS = 5;
    /** Columns that are no numbers, the first ones. */
    private static final int TEXTS = 4;

    private final String device;
    private final BuildInfo build;
    private final Instant date;
    private final String size;
    private final boolean giga;
    private Ceilings ceilings;
    private @Nullable Ceilings last;
    private final SequencedMap<String, List<BenchResult>> rounds = new LinkedHashMap<>();
    private int measured;
    private final List<String> notMeasured = new ArrayList<>();

    /**
     * @param device its description, JSON with the driver in it
     * @param size what is measured, for people and to be compared
     * @param giga GFLOP/s rather than TFLOP/s
     */
    BenchReport(String device, BuildInfo build, Instant date, String size, Ceilings ceilings, boolean giga) {
        this.size = size;
        this.giga = giga;
        this.device = device;
        this.build = build;
        this.date = date.truncatedTo(ChronoUnit.SECONDS);
        this.ceilings = ceilings;
    }

    /** Takes a line and says it in short. */
    String add(BenchResult line) {
        rounds.computeIfAbsent(name(line), _ -> new ArrayList<>()).add(line);
        measured++;
        String[] cells = cells(line);
        String rate = ceilings.share(line).of().equals("matmul") ? cells[5] + " " + flopUnit() : cells[6] + " GB/s";
        return line.group() + " " + line.operation() + ", " + line.shape() + ": " + cells[4] + ", " + rate + ", " + cells[7];
    }

    /** Takes what did not fit, and says it. */
    String addTooLarge(String sentence) {
        notMeasured.add("does not fit: " + sentence);
        return notMeasured.getLast();
    }

    Ceilings ceilings() {
        return ceilings;
    }

    /** Takes what the ceilings were at the end: from here on the better of both count, and the facts tell both. */
    void measuredAgain(Ceilings end) {
        ceilings = ceilings.orBetter(end);
        last = end;
    }

    String device() {
        return device;
    }

    private static String name(BenchResult line) {
        return BenchFile.name(line.group(), line.operation(), line.shape(), line.dtype().toString());
    }

    /** A row a name: of several rounds the one with the median of the times, the upper of two. */
    private List<BenchResult> lines() {
        return rounds.values().stream()
            .map(each -> each.stream().sorted(Comparator.comparingDouble(BenchResult::seconds)).toList().get(each.size() / 2)).toList();
    }

    /** The times of each round by the rows' names. */
    SequencedMap<String, List<Times>> rows() {
        SequencedMap<String, List<Times>> rows = new LinkedHashMap<>();
        rounds.forEach((name, each) -> rows.put(name, each.stream().map(BenchResult::times).toList()));
        return rows;
    }

    /** Takes that the run ended early, and says it. */
    String endedEarly(int rows) {
        notMeasured.add("stopped after " + measured + " of " + rows + " rows");
        return notMeasured.getLast();
    }

    /** Where the numbers are from, a fact a line. */
    List<String> facts() {
        List<String> facts = new ArrayList<>();
        facts.add("device: " + device);
        facts.add("date: " + date + ", sails4j " + build.version() + ", commit " + build.commit());
        facts.add("size: " + size);
        facts.addAll(ceilingFacts());
        facts.addAll(notMeasured);
        return facts;
    }

    /** The ceilings, and what the last of two measurements gave: how far they are apart is what the machine's other work does. */
    List<String> ceilingFacts() {
        List<String> facts = new ArrayList<>();
        Bandwidth bandwidth = ceilings.bandwidth();
        facts.add(String.format(Locale.ROOT, "ceiling, copy: %.1f GB/s (read and written)", bandwidth.copy() * 1e-9));
        if (bandwidth.read() > 0) {
            facts.add(String.format(Locale.ROOT, "ceiling, read: %.1f GB/s (%s)", bandwidth.read() * 1e-9, bandwidth.readSource()));
        }
        ceilings.matmul().forEach((dtype, peak) -> facts.add(String.format(Locale.ROOT, "ceiling, matmul %s: %s %s (%s)", dtype,
            flops(peak.flopsPerSecond()), flopUnit(), peak.source())));
        if (last != null) {
            StringBuilder text = new StringBuilder(String.format(Locale.ROOT,
                "ceilings, measured before and after the rows, the better counts; after: copy %.1f GB/s, read %.1f GB/s",
                last.bandwidth().copy() * 1e-9, last.bandwidth().read() * 1e-9));
            last.matmul().forEach((dtype, peak) -> text.append(String.format(Locale.ROOT, ", matmul %s %s %s", dtype,
                flops(peak.flopsPerSecond()), flopUnit())));
            facts.add(text.toString());
        }
        return facts;
    }

    /** A CPU's numbers are in units of a thousandth of a card's. */
    private String flopUnit() {
        return giga ? "GFLOP/s" : "TFLOP/s";
    }

    private String flops(double perSecond) {
        return number(perSecond * (giga ? 1e-9 : 1e-12));
    }

    private String[] header() {
        String[] header = HEADER.clone();
        header[FLOPS] = flopUnit();
        return header;
    }

    Table table() {
        Table table = Table.withHeader(header());
        lines().forEach(line -> table.row((Object[]) cells(line)));
        return table;
    }

    String markdown() {
        StringBuilder text = new StringBuilder("# sails bench\n\n");
        facts().forEach(fact -> text.append("- ").append(fact).append('\n'));
        text.append("\n| ").append(String.join(" | ", header())).append(" |\n").append("|---".repeat(TEXTS))
            .append("|--:".repeat(HEADER.length - TEXTS)).append("|\n");
        lines().forEach(line -> text.append("| ").append(String.join(" | ", cells(line))).append(" |\n"));
        return text.toString();
    }

    ObjectNode json() {
        ObjectNode json = CommonOptions.object();
        json.put("format", BenchFile.FORMAT).put("device", device).put("size", size).put("version", build.version())
            .put("commit", build.commit()).put("date", date.toString());
        json.put("copy_bytes_per_s", ceilings.bandwidth().copy());
        if (ceilings.bandwidth().read() > 0) {
            json.put("read_bytes_per_s", ceilings.bandwidth().read());
        }
        ObjectNode matmul = json.putObject("matmul_flops_per_s");
        ceilings.matmul().forEach((dtype, peak) -> matmul.put(dtype.toString(), peak.flopsPerSecond()));
        notMeasured.forEach(json.putArray("not_measured")::add);
        var array = json.putArray("lines");
        for (BenchResult line : lines()) {
            ObjectNode node = array.addObject();
            node.put("group", line.group()).put("operation", line.operation()).put("shape", line.shape()).put("dtype",
                line.dtype().toString());
            node.put("seconds", line.seconds()).put("flops", line.flops()).put("bytes", line.bytes());
            Ceilings.Share share = ceilings.share(line);
            node.put("share", share.value()).put("ceiling", share.of());
            line.more().forEach(node::put);
            var samples = node.putArray("samples");
            for (Times round : rows().getOrDefault(name(line), List.of())) {
                round.samples().forEach(samples.addArray()::add);
            }
        }
        return json;
    }

    private static String added(Map<String, Double> more) {
        Double share = more.get("added_share");
        return share == null ? ""
            : String.format(Locale.ROOT, "%.1f us, %.2f %%", 1e6 * more.getOrDefault("added_seconds", 0.0), 100 * share);
    }

    private String[] cells(BenchResult line) {
        Map<String, Double> more = line.more();
        Ceilings.Share share = ceilings.share(line);
        return new String[] {line.group(), line.operation(), line.shape(), type(line.dtype()), time(line.seconds()),
            flops(line.flopsPerSecond()), number(line.bytesPerSecond() * 1e-9),
            String.format(Locale.ROOT, "%.0f %% %s", 100 * share.value(), share.of()),
            tokens(more),
            mib(more.get("planned_bytes")),
            mib(more.get("peak_bytes")), candidates(more), latency(more, "first_token"), latency(more, "next_token"), added(more)};
    }

    /** Of autoencoders also how many times as many as a dense step could reach at most. */
    private static String tokens(Map<String, Double> more) {
        String perSecond = more.containsKey("tokens_per_s") ? String.format(Locale.ROOT, "%,.1f", more.get("tokens_per_s")) : "";
        return more.containsKey("times_dense") ? String.format(Locale.ROOT, "%s, L0 %.0f, %.2f x dense", perSecond, more.get("l0"),
            more.get("times_dense"))
            : perSecond;
    }

    /** Where a prefix is shared also how many times as many as whole sequences, and how many times as many tokens those have. */
    private static String candidates(Map<String, Double> more) {
        if (!more.containsKey("candidates_per_s")) {
            return "";
        }
        String perSecond = String.format(Locale.ROOT, "%,.1f", more.get("candidates_per_s"));
        return more.containsKey("faster_than_whole") ? String.format(Locale.ROOT, "%s, %.2f x whole of %.2f x tokens", perSecond,
            more.get("faster_than_whole"), more.get("tokens_of_whole")) : perSecond;
    }

    private static String latency(Map<String, Double> more, String what) {
        Double median = more.get(what + "_p50_s");
        Double most = more.get(what + "_p99_s");
        return median == null || most == null ? "" : time(median) + ", " + time(most);
    }

    private static String type(DType dtype) {
        return dtype.name().toLowerCase(Locale.ROOT);
    }

    static String time(double seconds) {
        return seconds < 1e-3 ? number(seconds * 1e6) + " us" : seconds < 1 ? number(seconds * 1e3) + " ms" : number(seconds) + " s";
    }

    /** Three digits, of small numbers too. */
    private static String number(double value) {
        int digits = value == 0 ? 0 : (int) Math.clamp(2 - Math.floor(Math.log10(Math.abs(value))), 0, 6);
        return String.format(Locale.ROOT, "%." + digits + "f", value);
    }

    private static String mib(@Nullable Double bytes) {
        return bytes == null ? "" : String.format(Locale.ROOT, "%,d MiB", bytes.longValue() >> 20);
    }
}
