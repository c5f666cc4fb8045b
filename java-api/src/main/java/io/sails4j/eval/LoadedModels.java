package io.sails4j.eval;

import io.sails4j.model.CausalModel;
import io.sails4j.model.ModelOptions;
import io.sails4j.ops.Engine;
import java.nio.file.Path;
import java.util.HashMap;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/** One model at a time in memory, or the base model and another where both are needed. */
final class LoadedModels implements AutoCloseable {
    private final Engine engine;
    private final ModelOptions options;
    private final @Nullable Path kept;
    private final Map<Path, CausalModel> loaded = new HashMap<>();

    /** @param kept which stays when another is loaded, null = none */
    LoadedModels(Engine engine, ModelOptions options, @Nullable Path kept) {
        this.engine = engine;
        this.options = options;
        this.kept = kept;
    }

    CausalModel get(Path path) {
        CausalModel present = loaded.get(path);
        if (present == null) {
            loaded.entrySet().removeIf(entry -> {
                boolean goes = !entry.getKey().equals(kept);
                if (goes) {
                    entry.getValue().close();
                }
                return goes;
            });
            present = CausalModel.load(path, engine, options);
            loaded.put(path, present);
        }
        return present;
    }

    @Override
    public void close() {
        loaded.values().forEach(CausalModel::close);
        loaded.clear();
    }
}
