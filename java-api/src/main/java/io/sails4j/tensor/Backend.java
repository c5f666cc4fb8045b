package io.sails4j.tensor;

import java.util.Locale;

/** The libraries behind {@code sails.h}. */
public enum Backend {
    CPU, CUDA, EMULATOR;

    /** {@code sails_cpu} and so on. */
    public String libraryName() {
        return "sails_" + name().toLowerCase(Locale.ROOT);
    }
}
