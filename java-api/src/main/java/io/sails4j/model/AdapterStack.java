package io.sails4j.model;

import java.util.List;
import java.util.Map;

/** Adapters that are active at once; their additions are summed. */
public record AdapterStack(List<Map<ModuleKey, LowRankAdapter>> adapters) {
    private static final AdapterStack NONE = new AdapterStack(List.of());

    public AdapterStack {
        adapters = List.copyOf(adapters);
    }

    public static AdapterStack none() {
        return NONE;
    }

    public static AdapterStack of(Map<ModuleKey, LowRankAdapter> adapter) {
        return new AdapterStack(List.of(adapter));
    }
}
