package io.sails4j.ffi;

import static io.sails4j.ffi.Symbols.at;
import static io.sails4j.ffi.Symbols.link;
import static java.lang.foreign.ValueLayout.ADDRESS;
import static java.lang.foreign.ValueLayout.JAVA_DOUBLE;
import static java.lang.foreign.ValueLayout.JAVA_FLOAT;
import static java.lang.foreign.ValueLayout.JAVA_INT;
import static java.lang.foreign.ValueLayout.JAVA_LONG;

import java.lang.foreign.MemorySegment;
import java.lang.invoke.MethodHandle;

/** The section "projection, optimizer" of {@code sails.h}; see {@link SailsH}. */
final class OptimizerH {
    static final MethodHandle PROJECT_WORKSPACE_BYTES = link(ADDRESS, ADDRESS, JAVA_LONG, JAVA_LONG, JAVA_LONG);
    static final MethodHandle PROJECT = link(ADDRESS, ADDRESS, ADDRESS, ADDRESS, JAVA_LONG, JAVA_LONG, JAVA_LONG, JAVA_INT,
        ADDRESS, JAVA_LONG);
    static final MethodHandle PROJECT_SET_WORKSPACE_BYTES = link(ADDRESS, ADDRESS, ADDRESS, ADDRESS, ADDRESS, JAVA_LONG);
    static final MethodHandle PROJECT_SET = link(ADDRESS, ADDRESS, ADDRESS, ADDRESS, ADDRESS, ADDRESS, ADDRESS, ADDRESS, JAVA_LONG,
        ADDRESS, JAVA_LONG);
    static final MethodHandle ADAMW_RATES = link(ADDRESS, ADDRESS, JAVA_LONG, JAVA_DOUBLE, JAVA_DOUBLE, JAVA_DOUBLE, JAVA_DOUBLE,
        JAVA_DOUBLE, JAVA_DOUBLE);
    static final MethodHandle ADAMW = link(ADDRESS, ADDRESS, ADDRESS, ADDRESS, ADDRESS, ADDRESS, ADDRESS, JAVA_LONG);
    static final MethodHandle ADAMW_PROJECTED_WORKSPACE_BYTES = link(ADDRESS, ADDRESS, ADDRESS, ADDRESS, ADDRESS, JAVA_LONG);
    static final MethodHandle ADAMW_PROJECTED = link(ADDRESS, ADDRESS, ADDRESS, ADDRESS, ADDRESS, ADDRESS, ADDRESS, ADDRESS,
        ADDRESS, ADDRESS, ADDRESS, JAVA_LONG, JAVA_INT, ADDRESS, JAVA_LONG);
    static final MethodHandle ADAMW_8BIT = link(ADDRESS, ADDRESS, ADDRESS, ADDRESS, ADDRESS, ADDRESS, ADDRESS, ADDRESS, ADDRESS, ADDRESS,
        ADDRESS, JAVA_LONG);
    static final MethodHandle DORA_NORM = link(ADDRESS, ADDRESS, ADDRESS, ADDRESS, ADDRESS, JAVA_LONG, JAVA_LONG, JAVA_LONG,
        JAVA_FLOAT, JAVA_INT);
    static final MethodHandle DORA_FORWARD = link(ADDRESS, ADDRESS, ADDRESS, ADDRESS, ADDRESS, JAVA_LONG, JAVA_LONG, JAVA_INT);
    static final MethodHandle DORA_BACKWARD = link(ADDRESS, ADDRESS, ADDRESS, ADDRESS, ADDRESS, ADDRESS, ADDRESS, JAVA_LONG,
        JAVA_LONG, JAVA_INT);

    private final Symbols symbols;
    private final MemorySegment projectWorkspaceBytes;
    private final MemorySegment project;
    private final MemorySegment projectSetWorkspaceBytes;
    private final MemorySegment projectSet;
    private final MemorySegment adamwRates;
    private final MemorySegment adamw;
    private final MemorySegment adamwProjectedWorkspaceBytes;
    private final MemorySegment adamwProjected;
    private final MemorySegment adamw8bit;
    private final MemorySegment doraNorm;
    private final MemorySegment doraForward;
    private final MemorySegment doraBackward;

    OptimizerH(Symbols symbols) {
        this.symbols = symbols;
        projectWorkspaceBytes = symbols.find("sails_project_workspace_bytes");
        project = symbols.find("sails_project");
        projectSetWorkspaceBytes = symbols.find("sails_project_set_workspace_bytes");
        projectSet = symbols.find("sails_project_set");
        adamwRates = symbols.find("sails_adamw_rates");
        adamw = symbols.find("sails_adamw");
        adamwProjectedWorkspaceBytes = symbols.find("sails_adamw_projected_workspace_bytes");
        adamwProjected = symbols.find("sails_adamw_projected");
        adamw8bit = symbols.find("sails_adamw_8bit");
        doraNorm = symbols.find("sails_dora_norm");
        doraForward = symbols.find("sails_dora_forward");
        doraBackward = symbols.find("sails_dora_backward");
    }

    int projectWorkspaceBytes(MemorySegment device, MemorySegment outBytes, long d, long rS, long n) {
        try {
            return (int) PROJECT_WORKSPACE_BYTES.invokeExact(projectWorkspaceBytes, device, outBytes, d, rS, n);
        } catch (Throwable e) {
            throw symbols.failure("sails_project_workspace_bytes", projectWorkspaceBytes, e);
        }
    }

    int project(MemorySegment device, long y, long g, long basis, long d, long rS, long n, int right, long workspace,
        long workspaceBytes) {
        try {
            return (int) PROJECT.invokeExact(project, device, at(y), at(g), at(basis), d, rS, n, right, at(workspace),
                workspaceBytes);
        } catch (Throwable e) {
            throw symbols.failure("sails_project", project, e);
        }
    }

    int projectSetWorkspaceBytes(MemorySegment device, MemorySegment outBytes, MemorySegment d, MemorySegment rS, MemorySegment n,
        long count) {
        try {
            return (int) PROJECT_SET_WORKSPACE_BYTES.invokeExact(projectSetWorkspaceBytes, device, outBytes, d, rS, n, count);
        } catch (Throwable e) {
            throw symbols.failure("sails_project_set_workspace_bytes", projectSetWorkspaceBytes, e);
        }
    }

    int projectSet(MemorySegment device, MemorySegment ys, MemorySegment gs, MemorySegment bases, MemorySegment d, MemorySegment rS,
        MemorySegment n, MemorySegment right, long count, long workspace, long workspaceBytes) {
        try {
            return (int) PROJECT_SET.invokeExact(projectSet, device, ys, gs, bases, d, rS, n, right, count, at(workspace),
                workspaceBytes);
        } catch (Throwable e) {
            throw symbols.failure("sails_project_set", projectSet, e);
        }
    }

    int adamwRates(MemorySegment device, long rates, long step, double gradScale, double lr, double beta1, double beta2, double eps,
        double weightDecay) {
        try {
            return (int) ADAMW_RATES.invokeExact(adamwRates, device, at(rates), step, gradScale, lr, beta1, beta2, eps, weightDecay);
        } catch (Throwable e) {
            throw symbols.failure("sails_adamw_rates", adamwRates, e);
        }
    }

    int adamw(MemorySegment device, MemorySegment params, MemorySegment m, MemorySegment v, MemorySegment grads, long rates,
        MemorySegment sizes, long count) {
        try {
            return (int) ADAMW.invokeExact(adamw, device, params, m, v, grads, at(rates), sizes, count);
        } catch (Throwable e) {
            throw symbols.failure("sails_adamw", adamw, e);
        }
    }

    int adamwProjectedWorkspaceBytes(MemorySegment device, MemorySegment outBytes, MemorySegment d, MemorySegment rS, MemorySegment
        n, long count) {
        try {
            return (int) ADAMW_PROJECTED_WORKSPACE_BYTES.invokeExact(adamwProjectedWorkspaceBytes, device, outBytes, d, rS, n,
                count);
        } catch (Throwable e) {
            throw symbols.failure("sails_adamw_projected_workspace_bytes", adamwProjectedWorkspaceBytes, e);
        }
    }

    int adamwProjected(MemorySegment device, MemorySegment params, MemorySegment m, MemorySegment v, MemorySegment grads,
        MemorySegment bases, long rates, MemorySegment d, MemorySegment rS, MemorySegment n, MemorySegment right, long count, int projection,
        long workspace, long workspaceBytes) {
        try {
            return (int) ADAMW_PROJECTED.invokeExact(adamwProjected, device, params, m, v, grads, bases, at(rates), d, rS, n, right, count,
                projection, at(workspace), workspaceBytes);
        } catch (Throwable e) {
            throw symbols.failure("sails_adamw_projected", adamwProjected, e);
        }
    }

    int adamw8bit(MemorySegment device, MemorySegment params, MemorySegment m, MemorySegment v, MemorySegment mAbsmax,
        MemorySegment vAbsmax, MemorySegment grads, long mCode, long vCode, long rates, MemorySegment sizes, long count) {
        try {
            return (int) ADAMW_8BIT.invokeExact(adamw8bit, device, params, m, v, mAbsmax, vAbsmax, grads, at(mCode), at(vCode), at(rates), sizes,
                count);
        } catch (Throwable e) {
            throw symbols.failure("sails_adamw_8bit", adamw8bit, e);
        }
    }

    int doraNorm(MemorySegment device, long norm, long weight, long loraA, long loraB, long dOut, long dIn, long r, float scale,
        int dtype) {
        try {
            return (int) DORA_NORM.invokeExact(doraNorm, device, at(norm), at(weight), at(loraA), at(loraB), dOut, dIn, r, scale,
                dtype);
        } catch (Throwable e) {
            throw symbols.failure("sails_dora_norm", doraNorm, e);
        }
    }

    int doraForward(MemorySegment device, long y, long u, long magnitude, long norm, long n, long dOut, int yDtype) {
        try {
            return (int) DORA_FORWARD.invokeExact(doraForward, device, at(y), at(u), at(magnitude), at(norm), n, dOut, yDtype);
        } catch (Throwable e) {
            throw symbols.failure("sails_dora_forward", doraForward, e);
        }
    }

    int doraBackward(MemorySegment device, long du, long dmagnitude, long dy, long u, long magnitude, long norm, long n, long dOut,
        int dtype) {
        try {
            return (int) DORA_BACKWARD.invokeExact(doraBackward, device, at(du), at(dmagnitude), at(dy), at(u), at(magnitude),
                at(norm), n, dOut, dtype);
        } catch (Throwable e) {
            throw symbols.failure("sails_dora_backward", doraBackward, e);
        }
    }
}
