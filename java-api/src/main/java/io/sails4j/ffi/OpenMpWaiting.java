package io.sails4j.ffi;

import java.lang.foreign.Arena;
import java.lang.foreign.FunctionDescriptor;
import java.lang.foreign.Linker;
import java.lang.foreign.ValueLayout;
import java.lang.invoke.MethodHandle;

/**
 * How OpenMP's threads wait for one another. libgomp lets them spin for milliseconds by default, which is ruinous where anything else wants
 * the cores, and in a JVM the collector and the compiler always do: training a small model beside a busy process took 115 s spinning
 * and 14 s with this limit (2 cores). libgomp reads its settings when it is loaded, so they are set before.
 */
final class OpenMpWaiting {
    /** Iterations, some microseconds: about as long as a sleeping thread takes to wake. */
    private static final String SPIN_COUNT = "1000";

    private OpenMpWaiting() {
    }

    /** Sets GOMP_SPINCOUNT unless the user has set it or OMP_WAIT_POLICY. */
    static void limitSpinning() {
        if (System.getenv("OMP_WAIT_POLICY") != null || System.getenv("GOMP_SPINCOUNT") != null) {
            return;
        }
        Linker linker = Linker.nativeLinker();
        MethodHandle setenv = linker.downcallHandle(linker.defaultLookup().find("setenv").orElseThrow(),
            FunctionDescriptor.of(ValueLayout.JAVA_INT, ValueLayout.ADDRESS, ValueLayout.ADDRESS, ValueLayout.JAVA_INT));
        try (Arena arena = Arena.ofConfined()) {
            int status = (int) setenv.invokeExact(arena.allocateFrom("GOMP_SPINCOUNT"), arena.allocateFrom(SPIN_COUNT), 0);
            if (status != 0) {
                throw new IllegalStateException("setenv failed with " + status);
            }
        } catch (RuntimeException | Error e) {
            throw e;
        } catch (Throwable e) {
            throw new IllegalStateException("setenv cannot be called", e);
        }
    }
}
