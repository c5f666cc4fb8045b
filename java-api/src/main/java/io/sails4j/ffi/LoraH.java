package io.sails4j.ffi;

import static io.sails4j.ffi.Symbols.at;
import static io.sails4j.ffi.Symbols.link;
import static java.lang.foreign.ValueLayout.ADDRESS;
import static java.lang.foreign.ValueLayout.JAVA_FLOAT;
import static java.lang.foreign.ValueLayout.JAVA_INT;
import static java.lang.foreign.ValueLayout.JAVA_LONG;

import java.lang.foreign.MemorySegment;
import java.lang.invoke.MethodHandle;

/** The section "LoRA" of {@code sails.h}; see {@link SailsH}. */
final class LoraH {
    static final MethodHandle LORA_FORWARD_WORKSPACE_BYTES = link(ADDRESS, ADDRESS, JAVA_LONG, JAVA_LONG, JAVA_LONG, JAVA_LONG);
    static final MethodHandle LORA_FORWARD = link(ADDRESS, ADDRESS, ADDRESS, ADDRESS, ADDRESS, ADDRESS, JAVA_LONG, JAVA_LONG,
        JAVA_LONG, JAVA_LONG, JAVA_FLOAT, JAVA_INT, JAVA_INT, ADDRESS, JAVA_LONG);
    static final MethodHandle LORA_BACKWARD_WORKSPACE_BYTES = link(ADDRESS, ADDRESS, JAVA_LONG, JAVA_LONG, JAVA_LONG, JAVA_LONG);
    static final MethodHandle LORA_BACKWARD = link(ADDRESS, ADDRESS, ADDRESS, ADDRESS, ADDRESS, ADDRESS, ADDRESS, ADDRESS,
        ADDRESS, JAVA_LONG, JAVA_LONG, JAVA_LONG, JAVA_LONG, JAVA_FLOAT, JAVA_INT, JAVA_INT, ADDRESS, JAVA_LONG);
    static final MethodHandle LINEAR_FORWARD_WORKSPACE_BYTES = link(ADDRESS, ADDRESS, JAVA_LONG, JAVA_LONG, JAVA_LONG, JAVA_LONG,
        JAVA_INT, JAVA_INT);
    static final MethodHandle LINEAR_FORWARD = link(ADDRESS, ADDRESS, ADDRESS, ADDRESS, ADDRESS, ADDRESS, ADDRESS, ADDRESS, ADDRESS,
        JAVA_LONG, JAVA_LONG, JAVA_LONG, JAVA_LONG, JAVA_FLOAT, JAVA_INT, JAVA_INT, ADDRESS, JAVA_LONG);
    static final MethodHandle LINEAR_BACKWARD_WORKSPACE_BYTES = link(ADDRESS, ADDRESS, JAVA_LONG, JAVA_LONG, JAVA_LONG, JAVA_LONG,
        JAVA_INT);
    static final MethodHandle LINEAR_BACKWARD = link(ADDRESS, ADDRESS, ADDRESS, ADDRESS, ADDRESS, ADDRESS, ADDRESS, ADDRESS,
        ADDRESS, ADDRESS, JAVA_LONG, JAVA_LONG, JAVA_LONG, JAVA_LONG, JAVA_FLOAT, JAVA_INT, JAVA_INT, ADDRESS, JAVA_LONG);

    private final Symbols symbols;
    private final MemorySegment loraForwardWorkspaceBytes;
    private final MemorySegment loraForward;
    private final MemorySegment loraBackwardWorkspaceBytes;
    private final MemorySegment loraBackward;
    private final MemorySegment linearForwardWorkspaceBytes;
    private final MemorySegment linearForward;
    private final MemorySegment linearBackwardWorkspaceBytes;
    private final MemorySegment linearBackward;

    LoraH(Symbols symbols) {
        this.symbols = symbols;
        loraForwardWorkspaceBytes = symbols.find("sails_lora_forward_workspace_bytes");
        loraForward = symbols.find("sails_lora_forward");
        loraBackwardWorkspaceBytes = symbols.find("sails_lora_backward_workspace_bytes");
        loraBackward = symbols.find("sails_lora_backward");
        linearForwardWorkspaceBytes = symbols.find("sails_linear_forward_workspace_bytes");
        linearForward = symbols.find("sails_linear_forward");
        linearBackwardWorkspaceBytes = symbols.find("sails_linear_backward_workspace_bytes");
        linearBackward = symbols.find("sails_linear_backward");
    }

    int loraForwardWorkspaceBytes(MemorySegment device, MemorySegment outBytes, long n, long dIn, long dOut, long r) {
        try {
            return (int) LORA_FORWARD_WORKSPACE_BYTES.invokeExact(loraForwardWorkspaceBytes, device, outBytes, n, dIn, dOut, r);
        } catch (Throwable e) {
            throw symbols.failure("sails_lora_forward_workspace_bytes", loraForwardWorkspaceBytes, e);
        }
    }

    int loraForward(MemorySegment device, long y, long h, long x, long loraA, long loraB, long n, long dIn, long dOut, long r,
        float scale, int yDtype, int xDtype, long workspace, long workspaceBytes) {
        try {
            return (int) LORA_FORWARD.invokeExact(loraForward, device, at(y), at(h), at(x), at(loraA), at(loraB), n, dIn, dOut, r,
                scale, yDtype, xDtype, at(workspace), workspaceBytes);
        } catch (Throwable e) {
            throw symbols.failure("sails_lora_forward", loraForward, e);
        }
    }

    int loraBackwardWorkspaceBytes(MemorySegment device, MemorySegment outBytes, long n, long dIn, long dOut, long r) {
        try {
            return (int) LORA_BACKWARD_WORKSPACE_BYTES.invokeExact(loraBackwardWorkspaceBytes, device, outBytes, n, dIn, dOut, r);
        } catch (Throwable e) {
            throw symbols.failure("sails_lora_backward_workspace_bytes", loraBackwardWorkspaceBytes, e);
        }
    }

    int loraBackward(MemorySegment device, long dx, long dloraA, long dloraB, long dy, long x, long h, long loraA, long loraB,
        long n, long dIn, long dOut, long r, float scale, int dyDtype, int xDtype, long workspace, long workspaceBytes) {
        try {
            return (int) LORA_BACKWARD.invokeExact(loraBackward, device, at(dx), at(dloraA), at(dloraB), at(dy), at(x), at(h),
                at(loraA), at(loraB), n, dIn, dOut, r, scale, dyDtype, xDtype, at(workspace), workspaceBytes);
        } catch (Throwable e) {
            throw symbols.failure("sails_lora_backward", loraBackward, e);
        }
    }

    int linearForwardWorkspaceBytes(MemorySegment device, MemorySegment outBytes, long n, long dIn, long dOut, long r, int yDtype,
        int dtype) {
        try {
            return (int) LINEAR_FORWARD_WORKSPACE_BYTES.invokeExact(linearForwardWorkspaceBytes, device, outBytes, n, dIn, dOut, r,
                yDtype, dtype);
        } catch (Throwable e) {
            throw symbols.failure("sails_linear_forward_workspace_bytes", linearForwardWorkspaceBytes, e);
        }
    }

    int linearForward(MemorySegment device, long y, long h, long x, long weight, long bias, long residual, long loraA, long loraB,
        long n, long dIn, long dOut, long r, float scale, int yDtype, int dtype, long workspace, long workspaceBytes) {
        try {
            return (int) LINEAR_FORWARD.invokeExact(linearForward, device, at(y), at(h), at(x), at(weight), at(bias), at(residual),
                at(loraA), at(loraB), n, dIn, dOut, r, scale, yDtype, dtype, at(workspace), workspaceBytes);
        } catch (Throwable e) {
            throw symbols.failure("sails_linear_forward", linearForward, e);
        }
    }

    int linearBackwardWorkspaceBytes(MemorySegment device, MemorySegment outBytes, long n, long dIn, long dOut, long r, int dtype) {
        try {
            return (int) LINEAR_BACKWARD_WORKSPACE_BYTES.invokeExact(linearBackwardWorkspaceBytes, device, outBytes, n, dIn, dOut,
                r, dtype);
        } catch (Throwable e) {
            throw symbols.failure("sails_linear_backward_workspace_bytes", linearBackwardWorkspaceBytes, e);
        }
    }

    int linearBackward(MemorySegment device, long dx, long dloraA, long dloraB, long dy, long x, long weight, long h, long loraA,
        long loraB, long n, long dIn, long dOut, long r, float scale, int accumulateDx, int dtype, long workspace, long
        workspaceBytes) {
        try {
            return (int) LINEAR_BACKWARD.invokeExact(linearBackward, device, at(dx), at(dloraA), at(dloraB), at(dy), at(x),
                at(weight), at(h), at(loraA), at(loraB), n, dIn, dOut, r, scale, accumulateDx, dtype, at(workspace),
                workspaceBytes);
        } catch (Throwable e) {
            throw symbols.failure("sails_linear_backward", linearBackward, e);
        }
    }
}
