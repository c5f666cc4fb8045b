package io.sails4j.report;

import com.fasterxml.jackson.databind.JsonNode;
import java.util.LinkedHashMap;
import java.util.SequencedMap;
import java.util.Set;

/**
 * A description as two flat lists: hashes by what they are of, and all other values by their names, joined by dots.
 *
 * @param hashes {@code arms.base.model} by {@code {"arms":{"base":{"model_sha256":…}}}}
 */
record FlatJson(SequencedMap<String, String> hashes, SequencedMap<String, String> settings) {
    private static final String SHA = "sha256";

    /** @param leftOut keys of the outermost object that do not describe */
    static FlatJson of(JsonNode json, Set<String> leftOut) {
        FlatJson flat = new FlatJson(new LinkedHashMap<>(), new LinkedHashMap<>());
        json.fieldNames().forEachRemaining(key -> {
            if (!leftOut.contains(key)) {
                flat.add(key, json.path(key));
            }
        });
        return flat;
    }

    private void add(String name, JsonNode value) {
        if (value.isObject()) {
            value.fieldNames().forEachRemaining(key -> add(name + "." + key, value.path(key)));
        } else if (value.isArray() && !value.isEmpty() && value.path(0).isContainerNode()) {
            for (int i = 0; i < value.size(); i++) {
                add(name + "." + (i + 1), value.path(i));
            }
        } else if (name.endsWith(SHA) && value.isTextual()) {
            hashes.put(name.substring(0, name.length() - SHA.length()).replaceFirst("[._]$", ""), value.asText());
        } else if (!value.isNull() && !(value.isContainerNode() && value.isEmpty())) {
            settings.put(name, value.isValueNode() ? value.asText() : value.toString());
        }
    }
}
