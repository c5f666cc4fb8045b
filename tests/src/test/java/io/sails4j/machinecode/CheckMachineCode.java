package io.sails4j.machinecode;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;

/**
 * Compares the machine code of kernels with what {@code kernels/promises.txt} says of them; run by tools/check-machine-code.sh.
 *
 * <pre>java CheckMachineCode.java PROMISES [--some|--show] CUBIN...</pre>
 *
 * A line of the table that names no kernel is an error, but with --some, which is for some of the files. --show prints what is found in each
 * kernel. Ends with 1 where a promise is broken, with 2 where a file is not understood.
 */
final class CheckMachineCode {

    private record Named(String architecture, String name, Findings findings) {
    }

    private CheckMachineCode() {
    }

    public static void main(String[] arguments) throws IOException, InterruptedException {
        try {
            System.exit(run(List.of(arguments)));
        } catch (IllegalArgumentException e) {
            System.err.println("check-machine-code: " + e.getMessage());
            System.exit(2);
        }
    }

    private static int run(List<String> arguments) throws IOException, InterruptedException {
        if (arguments.size() < 2) {
            throw new IllegalArgumentException("found " + arguments.size() + " arguments, expected the table of promises and cubins.");
        }
        Promises promises = Promises.read(Path.of(arguments.getFirst()));
        List<String> options = arguments.stream().filter(a -> a.startsWith("--")).toList();
        List<Path> files = arguments.stream()
            .skip(1)
            .filter(a -> !a.startsWith("--"))
            .map(Path::of)
            .toList();
        for (String option : options) {
            if (!List.of("--some", "--show").contains(option)) {
                throw new IllegalArgumentException("found " + option + ", expected --some or --show.");
            }
        }
        List<Named> kernels = kernels(files);
        if (options.contains("--show")) {
            kernels.forEach(CheckMachineCode::show);
            return 0;
        }
        List<String> broken = check(promises, kernels, options.contains("--some"));
        broken.forEach(System.err::println);
        System.out.println(kernels.size() + " kernels, "
            + (broken.isEmpty() ? "all promises kept." : broken.size() + (broken.size() == 1 ? " promise" : " promises") + " broken."));
        return broken.isEmpty() ? 0 : 1;
    }

    /** The same kernel may be in several files. */
    private static List<Named> kernels(List<Path> files) throws IOException, InterruptedException {
        Map<String, Map<String, Findings>> found = new TreeMap<>();
        for (Path file : files) {
            Cubin cubin = Cubin.read(file);
            for (Cubin.Kernel kernel : cubin.kernels()) {
                found.computeIfAbsent(cubin.architecture(), _ -> new TreeMap<>()).put(kernel.symbol(), Findings.of(kernel));
            }
        }
        List<Named> kernels = new ArrayList<>();
        for (var architecture : found.entrySet()) {
            List<String> symbols = List.copyOf(architecture.getValue().keySet());
            List<String> names = readable(symbols);
            for (int i = 0; i < symbols.size(); i++) {
                kernels.add(new Named(architecture.getKey(), names.get(i), architecture.getValue().get(symbols.get(i))));
            }
        }
        return kernels;
    }

    /** Names as in the sources, without namespaces and parameters: gemv<bf16, bf16, float, 1, 1, false>. */
    private static List<String> readable(List<String> symbols) throws IOException, InterruptedException {
        Process filter = new ProcessBuilder("c++filt").redirectError(ProcessBuilder.Redirect.INHERIT).start();
        Thread writer = Thread.ofVirtual().start(() -> {
            try (var out = filter.outputWriter(StandardCharsets.UTF_8)) {
                out.write(String.join("\n", symbols) + "\n");
            } catch (IOException e) {
                throw new java.io.UncheckedIOException(e);
            }
        });
        List<String> lines;
        try (var in = filter.inputReader(StandardCharsets.UTF_8)) {
            lines = in.lines().map(CheckMachineCode::shortened).toList();
        }
        writer.join();
        if (filter.waitFor() != 0 || lines.size() != symbols.size()) {
            throw new IllegalArgumentException(
                "c++filt gave " + lines.size() + " names for " + symbols.size() + " kernels: install binutils.");
        }
        return lines;
    }

    static String shortened(String name) {
        String own = name.replaceFirst("^void ", "").replace("sails::kernels::", "").replace("(anonymous namespace)::", "");
        int depth = 0;
        for (int i = 0; i < own.length(); i++) {
            char c = own.charAt(i);
            depth += c == '<' ? 1 : c == '>' ? -1 : 0;
            if (c == '(' && depth == 0) {
                return own.substring(0, i).replace("> >", ">>");
            }
        }
        return own.replace("> >", ">>");
    }

    private static List<String> check(Promises promises, List<Named> kernels, boolean some) {
        List<String> broken = new ArrayList<>();
        for (Named kernel : kernels) {
            broken.addAll(promises.check(kernel.architecture, kernel.name, kernel.findings));
        }
        Set<String> architectures = new HashSet<>();
        kernels.forEach(kernel -> architectures.add(kernel.architecture));
        for (Promises.Entry entry : promises.entries()) {
            boolean compiled = architectures.stream().anyMatch(entry::of);
            if (!some && compiled && kernels.stream().noneMatch(k -> entry.covers(k.architecture, k.name))) {
                broken.add(promises.file() + ":" + entry.line() + ": no kernel is called " + entry.kernel() + " on "
                    + entry.architecture() + ".");
            }
        }
        return broken;
    }

    private static void show(Named kernel) {
        StringBuilder text = new StringBuilder(kernel.architecture + " " + kernel.name + "\n ");
        for (String name : Findings.NAMES) {
            int number = kernel.findings.numbers().getOrDefault(name, 0);
            if (number != 0) {
                text.append(' ').append(name).append(' ').append(number);
            }
        }
        if (!kernel.findings.order().isEmpty()) {
            text.append("\n  order ").append(String.join(" ", kernel.findings.order()));
        }
        System.out.println(text);
    }
}
