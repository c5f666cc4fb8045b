package io.sails4j.cli;

import io.sails4j.ops.Engine;
import io.sails4j.ops.EngineOptions;
import java.util.ArrayList;
import java.util.List;

/** As many engines as tasks of a study run at a time. */
final class StudyEngines implements AutoCloseable {
    private final List<Engine> engines = new ArrayList<>();

    /**
     * @param backend and its options; its threads are those of each task, 0 = the processors shared out evenly
     */
    StudyEngines(EngineOptions backend, int jobs) {
        int threads = backend.threads() > 0 || jobs == 1 ? backend.threads()
            : Math.max(1, Runtime.getRuntime().availableProcessors() / jobs);
        try {
            for (int i = 0; i < jobs; i++) {
                engines.add(Engine.open(new EngineOptions(backend.backend(), threads, backend.deviceOptions())));
            }
        } catch (RuntimeException | Error e) {
            close();
            throw e;
        }
    }

    List<Engine> all() {
        return List.copyOf(engines);
    }

    @Override
    public void close() {
        engines.forEach(Engine::close);
    }
}
