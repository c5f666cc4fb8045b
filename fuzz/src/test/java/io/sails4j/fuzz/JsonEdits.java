package io.sails4j.fuzz;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.DeserializationFeature;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Set;

/**
 * Changes to right JSON documents, told by a few bytes each: so that what a fuzzer makes is JSON, and reaches what comes after the reader
 * of JSON. The first byte chooses the document; then three bytes a change: what, where, and with which value.
 */
final class JsonEdits {
    /** More than one value is no document but lines. */
    private static final ObjectMapper JSON = new ObjectMapper().enable(DeserializationFeature.FAIL_ON_TRAILING_TOKENS);
    private static final String[] VALUES = {"null", "true", "false", "0", "-1", "1", "2", "3", "4", "6", "8", "16", "0.5", "-0.0", "1e-5",
        "1e400", "-1e400", "1e-400", "NaN", "-Infinity", "2147483647", "2147483648", "4294967297", "9223372036854775807",
        "-9223372036854775808", "9223372036854775808", "123456789012345678901234567890", "1.0", "65536", "\"\"", "\" \"", "\"a\"", "\"1\"",
        "\"\\ud800\"", "\"\\u0000\"", "\"\\udc00\\ud83d\"", "\"\u00e9\ud83d\ude42\"", "\"../x\"", "\"/\"", "\"a/b\"", "\"layers.1\"", "[]",
        "{}", "[null]", "[[]]", "[0]", "[1,2]", "[2,3]", "[0,32]", "[-1]", "[9223372036854775807,2]", "[\"a\"]", "[{}]", "{\"a\":1}",
        "{\"a\":null}", "{\"\":\"\"}", "\"" + "x".repeat(300) + "\"", "[".repeat(40) + "]".repeat(40), "1E+2", "[true,false]"};
    private static final int BYTES_A_CHANGE = 3;

    private enum Change {
        REPLACE, WORD, REMOVE, TWICE, RENAME, ADD, WRAP, RAW
    }

    /** A line or a whole file; what is no JSON stays as it is. */
    private record Part(JsonNode node, String end) {
    }

    private final List<List<Part>> documents = new ArrayList<>();
    private final List<byte[]> tails = new ArrayList<>();
    private final List<String> words;

    JsonEdits(List<byte[]> seeds) {
        Set<String> all = new LinkedHashSet<>();
        for (byte[] seed : seeds) {
            boolean tensors = seed.length > 8 && seed[8] == '{' && seed[0] != '{';
            int header = tensors ? (int) ByteBuffer.wrap(seed).order(ByteOrder.LITTLE_ENDIAN).getLong() : 0;
            tails.add(tensors ? Arrays.copyOfRange(seed, 8 + header, seed.length) : new byte[0]);
            List<Part> parts = parts(new String(seed, tensors ? 8 : 0, tensors ? header : seed.length, StandardCharsets.UTF_8));
            documents.add(parts);
            parts.forEach(part -> collect(part.node(), all));
        }
        words = List.copyOf(all);
    }

    private static List<Part> parts(String text) {
        try {
            return List.of(new Part(JSON.readTree(text), text.endsWith("\n") ? "\n" : ""));
        } catch (JsonProcessingException e) {
            return Arrays.stream(text.split("(?<=\n)")).map(JsonEdits::line).toList();
        }
    }

    private static Part line(String line) {
        try {
            return new Part(JSON.readTree(line), line.endsWith("\n") ? "\n" : "");
        } catch (JsonProcessingException e) {
            return new Part(JSON.getNodeFactory().missingNode(), line);
        }
    }

    private static void collect(JsonNode node, Set<String> words) {
        if (node.isObject()) {
            words.addAll(node.propertyStream().map(java.util.Map.Entry::getKey).toList());
        } else if (node.isTextual() && node.textValue().length() < 60) {
            words.add(node.textValue());
        }
        node.forEach(child -> collect(child, words));
    }

    /** The document that a program makes. */
    byte[] apply(byte[] program) {
        int which = program.length == 0 ? 0 : (program[0] & 0xff) % documents.size();
        Writing writing = new Writing(program);
        for (Part part : documents.get(which)) {
            if (!part.node().isMissingNode()) {
                writing.node(part.node());
            }
            writing.text.append(part.end());
        }
        byte[] json = writing.text.toString().getBytes(StandardCharsets.UTF_8);
        byte[] tail = tails.get(which);
        return tail.length == 0 ? json : ByteBuffer.allocate(8 + json.length + tail.length).order(ByteOrder.LITTLE_ENDIAN)
            .putLong(json.length).put(json).put(tail).array();
    }

    /** One document, whose nodes are counted in the order in which they are written. */
    private final class Writing {
        private final byte[] program;
        private final StringBuilder text = new StringBuilder();
        private int number;

        private Writing(byte[] program) {
            this.program = program;
        }

        /** Where the change of a node begins; a negative number where it has none. */
        private int change(int node) {
            for (int i = 1; i + BYTES_A_CHANGE <= program.length; i += BYTES_A_CHANGE) {
                if ((program[i + 1] & 0xff) == node) {
                    return i;
                }
            }
            return -1;
        }

        private void node(JsonNode node) {
            int at = change(number++ & 0xff);
            if (at < 0) {
                plain(node);
                return;
            }
            int argument = program[at + 2] & 0xff;
            switch (Change.values()[(program[at] & 0xff) % Change.values().length]) {
                case REPLACE -> text.append(VALUES[argument % VALUES.length]);
                case WORD -> text.append(JSON.getNodeFactory().textNode(words.get(argument % words.size())));
                case TWICE -> {
                    plain(node);
                    text.append(',');
                    plain(node);
                }
                case WRAP -> {
                    text.append(argument % 2 == 0 ? "[" : "{\"a\":");
                    plain(node);
                    text.append(argument % 2 == 0 ? ']' : '}');
                }
                case RAW -> text.append((char) argument);
                // Those of a member of an object: it has seen to them.
                case REMOVE, RENAME, ADD -> plain(node);
            }
        }

        private void plain(JsonNode node) {
            if (node.isObject()) {
                text.append('{');
                int before = text.length();
                node.properties().forEach(member -> member(member.getKey(), member.getValue(), before));
                text.append('}');
            } else if (node.isArray()) {
                text.append('[');
                int before = text.length();
                for (JsonNode item : node) {
                    comma(before);
                    node(item);
                }
                text.append(']');
            } else {
                text.append(node);
            }
        }

        private void comma(int before) {
            if (text.length() > before) {
                text.append(',');
            }
        }

        private void member(String key, JsonNode value, int before) {
            int at = change(number & 0xff);
            Change change = at < 0 ? Change.WRAP : Change.values()[(program[at] & 0xff) % Change.values().length];
            int argument = at < 0 ? 0 : program[at + 2] & 0xff;
            if (change == Change.REMOVE) {
                number++;
                return;
            }
            comma(before);
            if (change == Change.ADD) {
                text.append(JSON.getNodeFactory().textNode(words.get(argument % words.size()))).append(':')
                    .append(VALUES[(argument * 7 + at) % VALUES.length]).append(',');
            }
            text.append(JSON.getNodeFactory().textNode(change == Change.RENAME ? words.get(argument % words.size()) : key)).append(':');
            node(value);
        }
    }
}
