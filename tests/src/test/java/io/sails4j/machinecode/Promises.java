package io.sails4j.machinecode;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/**
 * The table of what kernels promise of their machine code: a line "ARCHITECTURE KERNEL" at the margin, "any" for all architectures and "*"
 * in the kernel for any text, and indented below it "NAME == NUMBER", with {@code <=} and {@code >=} too, or "order EVENT EVENT ...".
 */
record Promises(Path file, List<Entry> entries) {

    /** The kernels that a line names. */
    record Entry(int line, String architecture, String kernel, List<Promise> promises) {
        boolean covers(String architecture, String kernel) {
            String pattern = "\\Q" + this.kernel.replace("*", "\\E.*\\Q") + "\\E";
            return of(architecture) && kernel.matches(pattern);
        }

        boolean of(String architecture) {
            return this.architecture.equals("any") || this.architecture.equals(architecture);
        }
    }

    /** One indented line. */
    sealed interface Promise {
        int line();

        /** What was found instead, empty where the promise is kept. */
        String broken(Findings findings);
    }

    record Number(int line, String name, String relation, int bound) implements Promise {
        @Override
        public String broken(Findings findings) {
            int found = findings.numbers().getOrDefault(name, 0);
            boolean kept = switch (relation) {
                case "==" -> found == bound;
                case "<=" -> found <= bound;
                default -> found >= bound;
            };
            return kept ? "" : name + " is " + found + ", expected " + relation + " " + bound;
        }
    }

    record Order(int line, List<String> events) implements Promise {
        @Override
        public String broken(Findings findings) {
            return findings.shows(events)
                ? ""
                : "products and waits stand as " + String.join(" ", findings.order()) + ", expected in them "
                    + String.join(" ", events);
        }
    }

    private static final Pattern KERNEL = Pattern.compile("(any|sm_\\d+) (\\S.*)");
    private static final Pattern NUMBER = Pattern.compile("\\s+(\\S+) (==|<=|>=) (\\d+)");
    private static final Pattern ORDER = Pattern.compile("\\s+order((?: (?:[SR]Sx\\d+|wait<\\d+>|work))+)");

    static Promises read(Path file) throws IOException {
        List<Entry> entries = new ArrayList<>();
        int number = 0;
        for (String text : Files.readAllLines(file)) {
            number++;
            String line = text.replaceFirst("\\s*#.*", "");
            if (line.isBlank()) {
                continue;
            }
            Matcher kernel = KERNEL.matcher(line);
            if (kernel.matches()) {
                entries.add(new Entry(number, kernel.group(1), kernel.group(2), new ArrayList<>()));
            } else if (Character.isWhitespace(line.charAt(0)) && !entries.isEmpty()) {
                entries.getLast().promises.add(promise(file, number, line));
            } else {
                throw wrong(file, number, line, "a line like \"sm_90 gemv<*>\"");
            }
        }
        return new Promises(file, List.copyOf(entries));
    }

    private static Promise promise(Path file, int number, String line) {
        Matcher order = ORDER.matcher(line);
        if (order.matches()) {
            return new Order(number, List.of(order.group(1).strip().split(" ")));
        }
        Matcher bound = NUMBER.matcher(line);
        if (!bound.matches() || !Findings.NAMES.contains(bound.group(1))) {
            throw wrong(file, number, line, "\"order EVENT ...\" or \"NAME == NUMBER\" with a name of " + Findings.NAMES);
        }
        return new Number(number, bound.group(1), bound.group(2), Integer.parseInt(bound.group(3)));
    }

    private static IllegalArgumentException wrong(Path file, int number, String line, String expected) {
        return new IllegalArgumentException(file + ":" + number + ": found \"" + line.strip() + "\", expected " + expected + ".");
    }

    /** A sentence for each promise about this kernel that is not kept. */
    List<String> check(String architecture, String kernel, Findings findings) {
        List<String> broken = new ArrayList<>();
        for (Entry entry : entries) {
            if (!entry.covers(architecture, kernel)) {
                continue;
            }
            for (Promise promise : entry.promises) {
                String found = promise.broken(findings);
                if (!found.isEmpty()) {
                    broken.add(kernel + " on " + architecture + ": " + found + " (" + file + ":" + promise.line() + ").");
                }
            }
        }
        return broken;
    }
}
