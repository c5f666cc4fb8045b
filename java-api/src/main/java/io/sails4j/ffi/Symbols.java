package io.sails4j.ffi;

import static java.lang.foreign.ValueLayout.JAVA_INT;

import java.lang.foreign.FunctionDescriptor;
import java.lang.foreign.Linker;
import java.lang.foreign.MemoryLayout;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.SymbolLookup;
import java.lang.invoke.MethodHandle;

/** One library's functions by name, and what calling them takes. */
final class Symbols {
    private static final Linker LINKER = Linker.nativeLinker();

    private final String library;
    private final SymbolLookup lookup;

    Symbols(String library, SymbolLookup lookup) {
        this.library = library;
        this.lookup = lookup;
    }

    /** A function of these parameters that returns a status, to be called with a symbol. */
    static MethodHandle link(MemoryLayout... parameters) {
        return LINKER.downcallHandle(FunctionDescriptor.of(JAVA_INT, parameters));
    }

    static MemorySegment at(long address) {
        return MemorySegment.ofAddress(address);
    }

    /** NULL where the library lacks it. */
    MemorySegment find(String name) {
        return lookup.find(name).orElse(MemorySegment.NULL);
    }

    /** A downcall itself throws nothing: either the symbol is missing or an argument segment is closed. */
    RuntimeException failure(String function, MemorySegment symbol, Throwable cause) {
        if (symbol.equals(MemorySegment.NULL)) {
            return new NativeException(function, NativeException.UNSUPPORTED,
                library + " does not export it; the library is older than this program or incomplete: rebuild it", cause);
        }
        if (cause instanceof RuntimeException runtime) {
            return runtime;
        }
        if (cause instanceof Error error) {
            throw error;
        }
        return new IllegalStateException(function + " could not be called", cause);
    }
}
