package io.sails4j.model;

import io.sails4j.io.InputException;
import io.sails4j.ops.Engine;
import io.sails4j.tensor.Backend;

/** Whether the steps of a generation are recorded once and launched whole; the tokens are the same either way. */
public enum GraphUse {
    /** Where the backend can record. */
    AUTO,
    /** Or say that the backend cannot. */
    ON, OFF;

    boolean records(Engine engine) {
        boolean can = engine.backend() != Backend.CPU;
        if (this == ON && !can) {
            throw new InputException("graphs are on, but the cpu backend runs each operation at once and records none; leave them on auto or off, "
                + "or choose a backend that records");
        }
        return can && this != OFF;
    }
}
