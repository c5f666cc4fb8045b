package io.sails4j.data;

import com.fasterxml.jackson.databind.node.TextNode;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.stream.Collectors;
import org.jspecify.annotations.Nullable;

/** JSON as Python's {@code json.dumps(value, ensure_ascii=False, indent=...)} writes it. */
final class PythonJson {
    private final String indent;

    private PythonJson(String indent) {
        this.indent = indent;
    }

    /** @param indent of one level, empty for one line */
    static String dumps(@Nullable Object value, String indent) {
        return new PythonJson(indent).text(value, "\n");
    }

    /** @param line the line break before a closing bracket of this level */
    private String text(@Nullable Object value, String line) {
        return switch (value) {
            case null -> "null";
            case Map<?, ?> map -> {
                List<String> members = new ArrayList<>();
                map.forEach((key, member) -> members.add(TextNode.valueOf(String.valueOf(key)) + ": " + text(member, line + indent)));
                yield listed("{", members, "}", line);
            }
            case Iterable<?> list -> {
                List<String> elements = new ArrayList<>();
                list.forEach(element -> elements.add(text(element, line + indent)));
                yield listed("[", elements, "]", line);
            }
            case CharSequence text -> TextNode.valueOf(text.toString()).toString();
            default -> String.valueOf(value);
        };
    }

    private String listed(String open, List<String> parts, String close, String line) {
        if (parts.isEmpty()) {
            return open + close;
        }
        return indent.isEmpty() ? parts.stream().collect(Collectors.joining(", ", open, close))
            : parts.stream().collect(Collectors.joining("," + line + indent, open + line + indent, line + close));
    }
}
