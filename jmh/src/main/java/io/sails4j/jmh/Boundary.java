package io.sails4j.jmh;

import java.lang.foreign.Arena;
import java.lang.foreign.FunctionDescriptor;
import java.lang.foreign.Linker;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.SymbolLookup;
import java.lang.foreign.ValueLayout;
import java.lang.invoke.MethodHandle;
import java.nio.file.Path;

/** The functions of {@code boundary.c}, by each way that Java has to native code; as constants, as the JIT wants them. */
final class Boundary {
    /** Names the compiled library, for the JVMs that measure. */
    static final String PROPERTY = "sails.boundary";

    static final MethodHandle EMPTY = handle("boundary_empty", FunctionDescriptor.ofVoid());
    static final MethodHandle EMPTY_CRITICAL = handle("boundary_empty", FunctionDescriptor.ofVoid(), Linker.Option.critical(false));
    private static final FunctionDescriptor COPIES = FunctionDescriptor.ofVoid(ValueLayout.ADDRESS, ValueLayout.ADDRESS,
        ValueLayout.JAVA_LONG);
    static final MethodHandle COPY = handle("boundary_copy", COPIES);
    static final MethodHandle COPY_CRITICAL = handle("boundary_copy", COPIES, Linker.Option.critical(true));

    static {
        System.load(library().toString());
    }

    private Boundary() {
    }

    private static Path library() {
        String path = System.getProperty(PROPERTY);
        if (path == null) {
            throw new IllegalStateException(PROPERTY + " is not set: mvn -Pjmh verify -Djmh=boundary builds the library and sets it");
        }
        return Path.of(path);
    }

    private static MethodHandle handle(String name, FunctionDescriptor descriptor, Linker.Option... options) {
        MemorySegment symbol = SymbolLookup.libraryLookup(library(), Arena.global()).findOrThrow(name);
        return Linker.nativeLinker().downcallHandle(symbol, descriptor, options);
    }

    /** By JNI. */
    static native void empty();

    /** By JNI, from a Java array to an address. */
    static native void copy(long destination, byte[] source, int bytes);
}
