package io.sails4j.eval;

import io.sails4j.lora.LoraAdapter;
import io.sails4j.lora.WeightedAdapter;
import io.sails4j.model.AdapterStack;
import io.sails4j.model.CausalModel;
import io.sails4j.model.ModelSession;
import java.util.ArrayList;
import java.util.List;
import java.util.stream.IntStream;

/** An arm at work: a session of its model, and its adapters. */
final class AdaptedSession implements AutoCloseable {
    private final List<LoraAdapter> adapters = new ArrayList<>();
    private final ModelSession session;
    private final AdapterStack stack;

    AdaptedSession(CausalModel model, EvalArm arm) {
        this.session = ModelSession.open(model);
        try {
            for (WeightedAdapter adapter : arm.adapters()) {
                adapters.add(LoraAdapter.load(adapter.directory(), model.config(), model.engine()));
            }
            stack = new AdapterStack(IntStream.range(0, adapters.size())
                .mapToObj(i -> arm.adapters().get(i).modules(adapters.get(i))).toList());
        } catch (RuntimeException | Error e) {
            close();
            throw e;
        }
    }

    ModelSession session() {
        return session;
    }

    AdapterStack stack() {
        return stack;
    }

    @Override
    public void close() {
        session.close();
        adapters.forEach(LoraAdapter::close);
    }
}
