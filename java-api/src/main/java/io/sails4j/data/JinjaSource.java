package io.sails4j.data;

import io.sails4j.InputException;
import java.util.ArrayDeque;
import java.util.Deque;
import java.util.LinkedHashSet;
import java.util.Set;
import java.util.regex.Pattern;

/**
 * The white space of a Jinja template, settled: what {@code -}, {@code +}, {@code trim_blocks} and {@code lstrip_blocks} take away is taken
 * away, comments and {@code generation} tags are left out, and no mark of it is left (jinja.palletsprojects.com, "Whitespace Control";
 * transformers renders chat templates with both options on). Engines of other languages do this in their own ways.
 */
final class JinjaSource {
    private static final Pattern QUOTED = Pattern.compile("'(?:[^'\\\\]|\\\\.)*'|\"(?:[^\"\\\\]|\\\\.)*\"", Pattern.DOTALL);

    private static final Pattern FILTER = Pattern.compile("\\|\\s*([A-Za-z_]\\w*)");
    private static final Pattern TEST = Pattern.compile("\\bis\\s+(?:not\\s+)?([A-Za-z_]\\w*)");

    private final String source;
    private final StringBuilder settled = new StringBuilder();
    private final Set<String> filters = new LinkedHashSet<>();
    private final Set<String> tests = new LinkedHashSet<>();
    private final Deque<String> open = new ArrayDeque<>();
    private int at;

    private JinjaSource(String source) {
        this.source = source;
    }

    /**
     * A template without marks of white space.
     *
     * @param filters names that it uses as filters
     * @param tests names that it uses as tests
     */
    record Settled(String text, Set<String> filters, Set<String> tests) {
    }

    /** @throws InputException where a tag or a comment does not end, or says what the engine would pass over */
    static Settled settle(String source) {
        // Jinja leaves out one line break at the very end.
        String text = source.endsWith("\r\n") ? source.substring(0, source.length() - 2)
            : source.endsWith("\n") ? source.substring(0, source.length() - 1) : source;
        return new JinjaSource(text).run();
    }

    private Settled run() {
        while (at < source.length()) {
            int open = nextTag(at);
            String text = source.substring(at, open);
            if (open == source.length()) {
                settled.append(text);
                break;
            }
            char kind = source.charAt(open + 1);
            char before = charAt(open + 2);
            settled.append(before == '-' ? PythonText.stripEnd(text) : before != '+' && kind != '{' ? withoutIndent(text) : text);
            at = open;
            if (kind == '#') {
                comment();
            } else {
                tag(kind, before == '-' || before == '+' ? open + 3 : open + 2);
            }
        }
        return new Settled(settled.toString(), filters, tests);
    }

    private int nextTag(int from) {
        for (int i = from; i + 1 < source.length(); i++) {
            char c = source.charAt(i + 1);
            if (source.charAt(i) == '{' && (c == '{' || c == '%' || c == '#')) {
                return i;
            }
        }
        return source.length();
    }

    private void comment() {
        int close = source.indexOf("#}", at + 2);
        if (close < 0) {
            throw new InputException("the comment that begins at character " + at + " does not end");
        }
        boolean strip = close > at + 2 && source.charAt(close - 1) == '-';
        at = close + 2;
        after('#', strip);
    }

    /** @param body where what the tag says begins */
    private void tag(char kind, int body) {
        int close = close(kind == '{' ? '}' : '%', body);
        char last = source.charAt(close - 1);
        boolean marked = close > body && (last == '-' || last == '+' && kind == '%');
        String inside = source.substring(body, marked ? close - 1 : close).strip();
        at = close + 2;
        if (inside.equals("raw")) {
            raw(marked && last == '-');
            return;
        }
        String unquoted = QUOTED.matcher(inside).replaceAll("''");
        FILTER.matcher(unquoted).results().forEach(found -> filters.add(found.group(1)));
        TEST.matcher(unquoted).results().forEach(found -> tests.add(found.group(1)));
        if (kind == '%') {
            requireKnown(unquoted);
        }
        // transformers' own tag: it marks answers for a mask and prints nothing.
        if (!inside.equals("generation") && !inside.equals("endgeneration")) {
            settled.append('{').append(kind).append(' ').append(inside).append(' ').append(kind == '{' ? '}' : '%').append('}');
        }
        after(marked && last == '+' ? '{' : kind, marked && last == '-');
    }

    /** What the engine would do wrong without a word. */
    private void requireKnown(String inside) {
        String name = inside.split("[^a-z_]", 2)[0];
        if (name.equals("for") || name.equals("if")) {
            open.push(name);
        } else if ((name.equals("endfor") || name.equals("endif")) && !open.isEmpty()) {
            open.pop();
        }
        if (name.equals("for") && inside.contains(" if ")) {
            throw new InputException("'" + inside + "' filters a loop, which is not supported here: put an if inside");
        }
        if (name.equals("else") && "for".equals(open.peek())) {
            throw new InputException("a loop has an else, which is not supported here: put an if around it");
        }
    }

    /** Where the two characters that end a tag are; quoted strings may hold them. */
    private int close(char end, int from) {
        char quote = 0;
        int depth = 0;
        for (int i = from; i + 1 < source.length(); i++) {
            char c = source.charAt(i);
            if (quote != 0) {
                if (c == '\\') {
                    i++;
                } else if (c == quote) {
                    quote = 0;
                }
            } else if (c == '\'' || c == '"') {
                quote = c;
            } else if (c == end && source.charAt(i + 1) == '}' && (end == '%' || depth == 0)) {
                return i;
            } else if (c == '{') {
                depth++;
            } else if (c == '}' && depth > 0) {
                depth--;
            }
        }
        throw new InputException("the tag that begins at character " + at + " does not end");
    }

    /** Text up to {@code endraw}, as it is. */
    private void raw(boolean strip) {
        int open = source.indexOf("endraw", at);
        int begin = open < 0 ? -1 : source.lastIndexOf("{%", open);
        int close = open < 0 ? -1 : source.indexOf("%}", open);
        if (begin < at || close < 0) {
            throw new InputException("the raw block before character " + at + " does not end");
        }
        String text = source.substring(at, begin);
        text = strip ? PythonText.stripBegin(text) : text.startsWith("\n") ? text.substring(1) : text;
        settled.append("{% raw %}").append(charAt(begin + 2) == '-' ? PythonText.stripEnd(text) : text).append("{% endraw %}");
        boolean stripAfter = source.charAt(close - 1) == '-';
        at = close + 2;
        after('%', stripAfter);
    }

    /** What a tag takes away behind it: with a minus all space, else, if it is a block or a comment, one line break. */
    private void after(char kind, boolean strip) {
        if (strip) {
            while (at < source.length() && PythonText.isSpace(source.charAt(at))) {
                at++;
            }
        } else if (kind != '{') {
            if (source.startsWith("\r\n", at)) {
                at += 2;
            } else if (source.startsWith("\n", at)) {
                at++;
            }
        }
    }

    /** Without the blanks between the last line break and a block, where nothing else stands there. */
    private String withoutIndent(String text) {
        int end = text.length();
        while (end > 0 && (text.charAt(end - 1) == ' ' || text.charAt(end - 1) == '\t')) {
            end--;
        }
        boolean lineBegins = end > 0 ? text.charAt(end - 1) == '\n'
            : at == 0 || source.charAt(at - 1) == '\n';
        return lineBegins ? text.substring(0, end) : text;
    }

    private char charAt(int i) {
        return i < source.length() ? source.charAt(i) : 0;
    }
}
