package io.sails4j.report;

import com.fasterxml.jackson.core.json.JsonWriteFeature;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.json.JsonMapper;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import com.fasterxml.jackson.databind.node.TextNode;
import io.sails4j.files.JsonFiles;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.function.BinaryOperator;
import java.util.stream.Stream;

/** Output directories of each command, as small as they can be and show everything. */
final class Fixtures {
    static final Path ROOT = Path.of("src/test/resources/report");
    static final List<String> NAMES = List.of("evaluation", "attack", "training", "subspace", "adapter", "prompt", "monitor");
    private static final JsonMapper ASCII = JsonMapper.builder().enable(JsonWriteFeature.ESCAPE_NON_ASCII).build();

    private Fixtures() {
    }

    static List<Path> directories() {
        return NAMES.stream().map(ROOT::resolve).toList();
    }

    /**
     * The same directories with other texts.
     *
     * @param change of a text, by its key
     */
    static List<Path> changed(Path target, BinaryOperator<String> change) {
        return NAMES.stream().map(name -> {
            Path directory = target.resolve(asName(change.apply("directory", name)));
            try (Stream<Path> files = Files.list(ROOT.resolve(name))) {
                Files.createDirectories(directory);
                for (Path file : files.toList()) {
                    StringBuilder text = new StringBuilder();
                    boolean lines = file.toString().endsWith(".jsonl");
                    for (String json : lines ? Files.readAllLines(file) : List.of(Files.readString(file))) {
                        text.append(ASCII.writeValueAsString(changed("", JsonFiles.parse(json, file.toString()), change))).append('\n');
                    }
                    Files.writeString(directory.resolve(file.getFileName()), text);
                }
            } catch (IOException e) {
                throw new UncheckedIOException(e);
            }
            return directory;
        }).toList();
    }

    /** What a directory can be called in every locale. */
    private static String asName(String text) {
        return text.replaceAll("[^ -.0-~]", "_");
    }

    private static JsonNode changed(String key, JsonNode node, BinaryOperator<String> change) {
        if (node instanceof ObjectNode object) {
            ObjectNode copy = object.objectNode();
            object.properties().forEach(field -> copy.set(field.getKey(), changed(field.getKey(), field.getValue(), change)));
            return copy;
        }
        if (node instanceof ArrayNode array) {
            ArrayNode copy = array.arrayNode();
            array.forEach(value -> copy.add(changed(key, value, change)));
            return copy;
        }
        return node.isTextual() ? TextNode.valueOf(change.apply(key, node.asText())) : node;
    }
}
