package io.sails4j.model;

import io.sails4j.InputException;
import io.sails4j.config.ModuleKey;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/** Adapters that are active at once; their additions are summed. One with DoRA scales the whole map and stands alone on its modules. */
public record AdapterStack(List<Map<ModuleKey, LowRankAdapter>> adapters) {
    private static final AdapterStack NONE = new AdapterStack(List.of());

    public AdapterStack {
        adapters = List.copyOf(adapters);
        for (Map<ModuleKey, LowRankAdapter> adapter : adapters) {
            for (Map.Entry<ModuleKey, LowRankAdapter> entry : adapter.entrySet()) {
                if (entry.getValue().dora() != null && adapters.stream().filter(a -> a.containsKey(entry.getKey())).count() > 1) {
                    throw new InputException(
                        entry.getKey().path() + " has a DoRA adapter and another one: DoRA scales the whole map, so that the two"
                            + " cannot be summed; merge one of them into the model first");
                }
            }
        }
    }

    /** What was derived from the factors is derived again when it is next needed. */
    public void forgetDerived() {
        adapters.forEach(adapter -> adapter.values().forEach(factors -> {
            if (factors.dora() != null) {
                factors.dora().factorsChanged();
            }
        }));
    }

    /** The model as it is. */
    public static AdapterStack none() {
        return NONE;
    }

    /** One adapter. */
    public static AdapterStack of(Map<ModuleKey, LowRankAdapter> adapter) {
        return new AdapterStack(List.of(adapter));
    }

    /** The adapters' parts for one module, in the order of the stack; null where an adapter leaves the module alone. */
    @Nullable
    LowRankAdapter[] partsOf(ModuleKey module) {
        @Nullable
        LowRankAdapter[] found = new @Nullable LowRankAdapter[adapters.size()];
        for (int i = 0; i < found.length; i++) {
            Map<ModuleKey, LowRankAdapter> adapter = adapters.get(i);
            found[i] = adapter.get(module);
        }
        return found;
    }
}
