package io.sails4j.objective;

import io.sails4j.model.ForwardPass;
import java.util.Objects;
import org.jspecify.annotations.Nullable;

/** A pass between two parts of a step; there is none where the parts are launched. */
final class KeptForward implements AutoCloseable {
    private @Nullable ForwardPass pass;

    void keep(ForwardPass now) {
        pass = now;
    }

    ForwardPass pass() {
        return Objects.requireNonNull(pass, "the forward comes first");
    }

    @Override
    public void close() {
        if (pass != null) {
            pass.close();
        }
    }
}
