package io.sails4j.tensor;

/** The libraries behind {@code sails.h}. */
public enum Backend {
    CPU, CUDA, EMULATOR;

    /** {@code sails_cpu} and so on. */
    public String libraryName() {
        return "sails_" + name().toLowerCase(java.util.Locale.ROOT);
    }
}
