package io.sails4j.explain;

import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.util.List;
import org.jspecify.annotations.Nullable;

/** Nodes of {@code explain.json}. */
final class Json {
    private static final int FORMAT = 1;

    private Json() {
    }

    static ObjectNode document(String kind, Source model) {
        ObjectNode json = JsonNodeFactory.instance.objectNode().put("format", FORMAT).put("kind", kind);
        put(json, "model", model);
        return json;
    }

    static void put(ObjectNode json, String name, @Nullable Source source) {
        if (source == null) {
            json.putNull(name);
        } else {
            json.putObject(name).put("path", source.path().toString()).put("sha256", source.sha256());
        }
    }

    static void put(ObjectNode json, String name, @Nullable Corpus corpus) {
        put(json, name, corpus == null ? null : corpus.source());
        if (corpus != null) {
            json.withObject("/" + name).put("pairs", corpus.pairs().size());
        }
    }

    /** A number, null where it is not known: NaN is no JSON. */
    static void put(ObjectNode json, String name, double value) {
        if (Double.isNaN(value)) {
            json.putNull(name);
        } else {
            json.put(name, value);
        }
    }

    static void put(ObjectNode json, String name, @Nullable List<? extends Number> values) {
        if (values == null) {
            json.putNull(name);
        } else {
            ArrayNode array = json.putArray(name);
            values.forEach(value -> {
                if (value instanceof Float f) {
                    array.add(f);
                } else {
                    array.add(value.doubleValue());
                }
            });
        }
    }
}
