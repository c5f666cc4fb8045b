package io.sails4j.train;

import com.fasterxml.jackson.databind.node.ObjectNode;
import io.sails4j.options.Options;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;

/**
 * What a run was made from beside its own options: a run goes on only from the same.
 *
 * @param provenance hashes of models and data, and whatever else tells where they came from
 * @param options of the steps before the run, of data or of a subspace
 */
public record RunOrigin(Map<String, String> provenance, List<? extends Record> options) {
    public RunOrigin {
        provenance = Map.copyOf(provenance);
        options = List.copyOf(options);
    }

    /** Nothing is known. */
    public static RunOrigin unknown() {
        return new RunOrigin(Map.of(), List.of());
    }

    /** Adds the options and an object {@code provenance}, as {@code sails_run.json} holds them. */
    public void describe(ObjectNode json) {
        options.forEach(record -> json.setAll(Options.json(record)));
        putProvenance(json);
    }

    /** Adds what must be the same when a run goes on. */
    public void identify(ObjectNode json) {
        options.forEach(record -> json.setAll(Options.deciding(record)));
        putProvenance(json);
    }

    private void putProvenance(ObjectNode json) {
        new TreeMap<>(provenance).forEach(json.putObject("provenance")::put);
    }
}
