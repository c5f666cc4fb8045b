package io.sails4j.fuzz;

import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Set;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/** Texts of the words of right inputs: a byte chooses a word, and the largest bytes say that the next one is taken as it is. */
final class Words {
    private static final Pattern WORD = Pattern.compile("[A-Za-z_0-9.]+|\\{[%{#]-?|-?[%}#]\\}|\"\"|\\R|\\s|[^A-Za-z_0-9.\\s]");
    private static final List<String> ALWAYS = List.of(" ", "\n", "\r\n", "\"", "'", ",", ";", "\t", "{", "}", "[", "]", "(", ")", ":",
        "0", "-1", "1", "2", "99999999999", "1e400", "NaN", "null", "true", "\ufeff", "\u0000", "\u00e9", "\ud83d\ude42", "\u2028", "|",
        "~",
        "%", "==", "in", "is", "not", "if", "else", "endif", "for", "endfor", "{%", "%}", "{{", "}}", "set", "**", "//", "*", "/", "-",
        "+");
    private static final int LITERAL = 0xf0;
    private static final int LONGEST = 600;

    private final List<String> words;
    private final List<List<Integer>> begins = new ArrayList<>();

    Words(List<byte[]> seeds) {
        Set<String> all = new LinkedHashSet<>();
        for (byte[] seed : seeds) {
            split(seed).forEach(all::add);
        }
        all.addAll(ALWAYS);
        words = all.stream().limit(LITERAL).toList();
        for (byte[] seed : seeds) {
            begins.add(split(seed).stream().map(words::indexOf).filter(index -> index >= 0).toList());
        }
    }

    private static List<String> split(byte[] seed) {
        Matcher matcher = WORD.matcher(new String(seed, StandardCharsets.UTF_8));
        List<String> words = new ArrayList<>();
        while (matcher.find()) {
            words.add(matcher.group());
        }
        return words;
    }

    /** The programs that give the seeds. */
    List<byte[]> programs() {
        return begins.stream().map(indices -> {
            byte[] program = new byte[indices.size()];
            for (int i = 0; i < program.length; i++) {
                program[i] = (byte) (int) indices.get(i);
            }
            return program;
        }).toList();
    }

    byte[] join(byte[] program) {
        StringBuilder text = new StringBuilder();
        for (int i = 0; i < Math.min(program.length, LONGEST); i++) {
            int b = program[i] & 0xff;
            if (b < LITERAL) {
                text.append(words.get(b % words.size()));
            } else if (i + 1 < program.length) {
                text.append((char) (program[++i] & 0xff));
            }
        }
        return text.toString().getBytes(StandardCharsets.UTF_8);
    }
}
