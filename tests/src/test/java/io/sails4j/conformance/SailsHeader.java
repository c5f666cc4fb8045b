package io.sails4j.conformance;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Set;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/**
 * {@code native/include/sails.h} as its text says it, parsed once.
 *
 * @param functions in the header's order
 * @param constants its {@code #define}s of a number, by name
 */
record SailsHeader(List<Function> functions, Map<String, Integer> constants) {
    private static final SailsHeader PARSED = parse(Path.of("../native/include/sails.h"));

    /** A function with all its parameters, and the title of its section. */
    record Function(String name, String section, List<Parameter> parameters) {
        /** Its name in Java: {@code sails_rope_append} is {@code ropeAppend}. */
        String javaName() {
            return camelCase(name.substring("sails_".length()));
        }

        boolean workspaceQuery() {
            return name.endsWith("_workspace_bytes");
        }
    }

    /** A parameter; {@code type} is its C type without spaces. */
    record Parameter(String type, String name) {
        String javaName() {
            return camelCase(name);
        }

        boolean pointer() {
            return type.contains("*");
        }

        /** A host array of device pointers. */
        boolean pointers() {
            return type.contains("*const*");
        }

        @Override
        public String toString() {
            return name;
        }
    }

    static SailsHeader get() {
        return PARSED;
    }

    private static SailsHeader parse(Path file) {
        try {
            return parse(Files.readString(file).replaceAll("(?s)/\\*(?! -{20,}).*?\\*/", ""));
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    private static SailsHeader parse(String header) {
        List<Function> functions = new ArrayList<>();
        String section = "";
        Matcher next = Pattern.compile("/\\* -{20,} (\\w+)|SAILS_API\\s+int32_t\\s+(sails_\\w+)\\(([^)]*)\\);").matcher(header);
        while (next.find()) {
            if (next.group(1) != null) {
                section = next.group(1);
            } else {
                functions.add(new Function(next.group(2), section,
                    Arrays.stream(next.group(3).split(",")).map(SailsHeader::parameter).toList()));
            }
        }
        Map<String, Integer> constants = new LinkedHashMap<>();
        Matcher constant = Pattern.compile("#define (SAILS_\\w+) \\(?(-?\\d+)\\)?").matcher(header);
        while (constant.find()) {
            constants.put(constant.group(1), Integer.parseInt(constant.group(2)));
        }
        return new SailsHeader(functions, constants);
    }

    private static Parameter parameter(String text) {
        Matcher matcher = Pattern.compile("(?s)(.*?)(\\w+)\\s*").matcher(text);
        if (!matcher.matches()) {
            throw new IllegalStateException("cannot read the parameter '" + text + "' of sails.h");
        }
        return new Parameter(matcher.group(1).replaceAll("\\s", ""), matcher.group(2));
    }

    private static String camelCase(String name) {
        return Pattern.compile("_([a-z0-9])").matcher(name).replaceAll(m -> m.group(1).toUpperCase(Locale.ROOT));
    }

    Function function(String name) {
        return functions.stream().filter(f -> f.name.equals(name)).findFirst().orElseThrow();
    }

    /** The functions that compute, without the questions for their workspaces. */
    List<Function> operations() {
        return functions.stream().filter(f -> !Set.of("device", "memory", "graph").contains(f.section) && !f.workspaceQuery()).toList();
    }
}
