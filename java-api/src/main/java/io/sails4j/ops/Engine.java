package io.sails4j.ops;

import io.sails4j.NativeException;
import io.sails4j.ffi.NativeLibrary;
import io.sails4j.tensor.Backend;
import io.sails4j.tensor.Device;
import java.util.Locale;

/** An open device, its operations, and how it was chosen. Opened, passed, closed; tensors must be closed before. */
public final class Engine implements AutoCloseable {
    private final Device device;
    private final Ops ops;
    private final Backend backend;
    private final String backendChoice;

    private Engine(Device device, Backend backend, String backendChoice) {
        this.device = device;
        this.ops = new Ops(device);
        this.backend = backend;
        this.backendChoice = backendChoice;
    }

    /**
     * Opens the backend that the options name, or for {@code auto} cuda where it answers, else cpu.
     *
     * @throws NativeException where an explicitly named backend cannot be opened
     */
    public static Engine open(EngineOptions options) {
        if (options.backend().equals(EngineOptions.AUTO)) {
            return openAuto(options);
        }
        Backend backend = Backend.valueOf(options.backend().toUpperCase(Locale.ROOT));
        try {
            return open(backend, options, EngineOptions.name(backend) + " (asked for)");
        } catch (NativeException e) {
            throw new NativeException(e.function(), e.code(),
                "backend " + options.backend() + " was asked for but cannot be opened: " + e.text(), e);
        }
    }

    private static Engine openAuto(EngineOptions options) {
        if (!NativeLibrary.isPresent(Backend.CUDA.libraryName())) {
            return open(Backend.CPU, options, "cpu (no libsails_cuda in this build)");
        }
        try {
            return open(Backend.CUDA, options, "cuda (libsails_cuda found and opened)");
        } catch (NativeException e) {
            return open(Backend.CPU, options, "cpu (libsails_cuda does not open: " + e.text() + ")");
        }
    }

    private static Engine open(Backend backend, EngineOptions options, String choice) {
        return new Engine(Device.open(backend, options.threads(), options.deviceOptions()), backend, choice);
    }

    /** The device that the engine runs on. */
    public Device device() {
        return device;
    }

    /** Its operations. */
    public Ops ops() {
        return ops;
    }

    /** Which backend that is. */
    public Backend backend() {
        return backend;
    }

    /** The backend and why, for example {@code cpu (no libsails_cuda in this build)}. */
    public String backendChoice() {
        return backendChoice;
    }

    /**
     * Records the operations that {@code body} calls, without running them. Nothing in it may allocate, copy to or from the host or wait; a
     * body that has run once before finds all workspaces as large as it needs.
     *
     * @throws NativeException on the cpu backend, which records nothing, and where the body does what cannot be recorded
     */
    public Graph record(Runnable body) {
        return ops.record(body);
    }

    /** Whether {@link #record} works here. */
    public boolean records() {
        try (Graph _ = record(() -> {})) {
            return true;
        } catch (NativeException e) {
            if (e.code() == NativeException.UNSUPPORTED) {
                return false;
            }
            throw e;
        }
    }

    /** Frees the workspace and closes the device; a second call does nothing. */
    @Override
    public void close() {
        if (device.isOpen()) {
            ops.close();
            device.close();
        }
    }
}
