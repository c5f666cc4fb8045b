package io.sails4j.ffi;

import static io.sails4j.ffi.Symbols.at;
import static io.sails4j.ffi.Symbols.link;
import static java.lang.foreign.ValueLayout.ADDRESS;
import static java.lang.foreign.ValueLayout.JAVA_INT;
import static java.lang.foreign.ValueLayout.JAVA_LONG;

import java.lang.foreign.MemorySegment;
import java.lang.foreign.SymbolLookup;
import java.lang.invoke.MethodHandle;

/**
 * {@code native/include/sails.h}, function by function in its order: its device section here, each section of operations in a class of its own. The
 * handles are constants, linked without an address; an instance holds one library's symbols, so that several backends live in one process. Device
 * pointers are {@code long}, host pointers are segments. Every method returns the status; what it means is {@link NativeDevice}'s business.
 */
final class SailsH {
    static final int VERSION = 7;

    static final MethodHandle ABI_VERSION = link(ADDRESS);
    static final MethodHandle DEVICE_OPEN = link(ADDRESS, JAVA_INT, JAVA_INT, ADDRESS, ADDRESS, JAVA_LONG);
    static final MethodHandle DEVICE_CLOSE = link(ADDRESS);
    static final MethodHandle DEVICE_ERROR = link(ADDRESS, ADDRESS, JAVA_LONG);
    static final MethodHandle DEVICE_DESCRIBE = link(ADDRESS, ADDRESS, JAVA_LONG);
    static final MethodHandle DEVICE_HOST_ACCESSIBLE = link(ADDRESS, ADDRESS);
    static final MethodHandle DEVICE_MEMORY = link(ADDRESS, ADDRESS, ADDRESS);
    static final MethodHandle ALLOC = link(ADDRESS, ADDRESS, JAVA_LONG);
    static final MethodHandle FREE = link(ADDRESS, ADDRESS);
    static final MethodHandle UPLOAD = link(ADDRESS, ADDRESS, ADDRESS, JAVA_LONG);
    static final MethodHandle DOWNLOAD = link(ADDRESS, ADDRESS, ADDRESS, JAVA_LONG);
    static final MethodHandle COPY = link(ADDRESS, ADDRESS, ADDRESS, JAVA_LONG);
    static final MethodHandle FILL_ZERO = link(ADDRESS, ADDRESS, JAVA_LONG);
    static final MethodHandle SYNCHRONIZE = link(ADDRESS);
    static final MethodHandle GRAPH_BEGIN = link(ADDRESS);
    static final MethodHandle GRAPH_END = link(ADDRESS, ADDRESS);
    static final MethodHandle GRAPH_LAUNCH = link(ADDRESS, ADDRESS);
    static final MethodHandle GRAPH_CLOSE = link(ADDRESS, ADDRESS);

    final ElementwiseH elementwise;
    final MatmulH matmul;
    final LayersH layers;
    final LoraH lora;
    final DecodingH decoding;
    final OptimizerH optimizer;
    final SaeH sae;

    private final Symbols symbols;
    private final MemorySegment abiVersion;
    private final MemorySegment deviceOpen;
    private final MemorySegment deviceClose;
    private final MemorySegment deviceError;
    private final MemorySegment deviceDescribe;
    private final MemorySegment deviceHostAccessible;
    private final MemorySegment deviceMemory;
    private final MemorySegment alloc;
    private final MemorySegment free;
    private final MemorySegment upload;
    private final MemorySegment download;
    private final MemorySegment copy;
    private final MemorySegment fillZero;
    private final MemorySegment synchronize;
    private final MemorySegment graphBegin;
    private final MemorySegment graphEnd;
    private final MemorySegment graphLaunch;
    private final MemorySegment graphClose;

    /** Looks up every symbol; one that is missing is an error when it is called, and names itself. */
    SailsH(String library, SymbolLookup lookup) {
        symbols = new Symbols(library, lookup);
        abiVersion = symbols.find("sails_abi_version");
        deviceOpen = symbols.find("sails_device_open");
        deviceClose = symbols.find("sails_device_close");
        deviceError = symbols.find("sails_device_error");
        deviceDescribe = symbols.find("sails_device_describe");
        deviceHostAccessible = symbols.find("sails_device_host_accessible");
        deviceMemory = symbols.find("sails_device_memory");
        alloc = symbols.find("sails_alloc");
        free = symbols.find("sails_free");
        upload = symbols.find("sails_upload");
        download = symbols.find("sails_download");
        copy = symbols.find("sails_copy");
        fillZero = symbols.find("sails_fill_zero");
        synchronize = symbols.find("sails_synchronize");
        graphBegin = symbols.find("sails_graph_begin");
        graphEnd = symbols.find("sails_graph_end");
        graphLaunch = symbols.find("sails_graph_launch");
        graphClose = symbols.find("sails_graph_close");
        elementwise = new ElementwiseH(symbols);
        matmul = new MatmulH(symbols);
        layers = new LayersH(symbols);
        lora = new LoraH(symbols);
        decoding = new DecodingH(symbols);
        optimizer = new OptimizerH(symbols);
        sae = new SaeH(symbols);
    }

    int abiVersion(MemorySegment outVersion) {
        try {
            return (int) ABI_VERSION.invokeExact(abiVersion, outVersion);
        } catch (Throwable e) {
            throw symbols.failure("sails_abi_version", abiVersion, e);
        }
    }

    int deviceOpen(MemorySegment outDevice, int ordinal, int nThreads, MemorySegment options, MemorySegment errorText,
        long errorBytes) {
        try {
            return (int) DEVICE_OPEN.invokeExact(deviceOpen, outDevice, ordinal, nThreads, options, errorText, errorBytes);
        } catch (Throwable e) {
            throw symbols.failure("sails_device_open", deviceOpen, e);
        }
    }

    int deviceClose(MemorySegment device) {
        try {
            return (int) DEVICE_CLOSE.invokeExact(deviceClose, device);
        } catch (Throwable e) {
            throw symbols.failure("sails_device_close", deviceClose, e);
        }
    }

    int deviceError(MemorySegment device, MemorySegment text, long textBytes) {
        try {
            return (int) DEVICE_ERROR.invokeExact(deviceError, device, text, textBytes);
        } catch (Throwable e) {
            throw symbols.failure("sails_device_error", deviceError, e);
        }
    }

    int deviceDescribe(MemorySegment device, MemorySegment text, long textBytes) {
        try {
            return (int) DEVICE_DESCRIBE.invokeExact(deviceDescribe, device, text, textBytes);
        } catch (Throwable e) {
            throw symbols.failure("sails_device_describe", deviceDescribe, e);
        }
    }

    int deviceHostAccessible(MemorySegment device, MemorySegment outAccessible) {
        try {
            return (int) DEVICE_HOST_ACCESSIBLE.invokeExact(deviceHostAccessible, device, outAccessible);
        } catch (Throwable e) {
            throw symbols.failure("sails_device_host_accessible", deviceHostAccessible, e);
        }
    }

    int deviceMemory(MemorySegment device, MemorySegment outAllocatedBytes, MemorySegment outPeakBytes) {
        try {
            return (int) DEVICE_MEMORY.invokeExact(deviceMemory, device, outAllocatedBytes, outPeakBytes);
        } catch (Throwable e) {
            throw symbols.failure("sails_device_memory", deviceMemory, e);
        }
    }

    int alloc(MemorySegment device, MemorySegment outPointer, long bytes) {
        try {
            return (int) ALLOC.invokeExact(alloc, device, outPointer, bytes);
        } catch (Throwable e) {
            throw symbols.failure("sails_alloc", alloc, e);
        }
    }

    int free(MemorySegment device, long pointer) {
        try {
            return (int) FREE.invokeExact(free, device, at(pointer));
        } catch (Throwable e) {
            throw symbols.failure("sails_free", free, e);
        }
    }

    int upload(MemorySegment device, long destination, MemorySegment hostSource, long bytes) {
        try {
            return (int) UPLOAD.invokeExact(upload, device, at(destination), hostSource, bytes);
        } catch (Throwable e) {
            throw symbols.failure("sails_upload", upload, e);
        }
    }

    int download(MemorySegment device, MemorySegment hostDestination, long source, long bytes) {
        try {
            return (int) DOWNLOAD.invokeExact(download, device, hostDestination, at(source), bytes);
        } catch (Throwable e) {
            throw symbols.failure("sails_download", download, e);
        }
    }

    int copy(MemorySegment device, long destination, long source, long bytes) {
        try {
            return (int) COPY.invokeExact(copy, device, at(destination), at(source), bytes);
        } catch (Throwable e) {
            throw symbols.failure("sails_copy", copy, e);
        }
    }

    int fillZero(MemorySegment device, long destination, long bytes) {
        try {
            return (int) FILL_ZERO.invokeExact(fillZero, device, at(destination), bytes);
        } catch (Throwable e) {
            throw symbols.failure("sails_fill_zero", fillZero, e);
        }
    }

    int synchronize(MemorySegment device) {
        try {
            return (int) SYNCHRONIZE.invokeExact(synchronize, device);
        } catch (Throwable e) {
            throw symbols.failure("sails_synchronize", synchronize, e);
        }
    }

    int graphBegin(MemorySegment device) {
        try {
            return (int) GRAPH_BEGIN.invokeExact(graphBegin, device);
        } catch (Throwable e) {
            throw symbols.failure("sails_graph_begin", graphBegin, e);
        }
    }

    int graphEnd(MemorySegment device, MemorySegment outGraph) {
        try {
            return (int) GRAPH_END.invokeExact(graphEnd, device, outGraph);
        } catch (Throwable e) {
            throw symbols.failure("sails_graph_end", graphEnd, e);
        }
    }

    int graphLaunch(MemorySegment device, MemorySegment graph) {
        try {
            return (int) GRAPH_LAUNCH.invokeExact(graphLaunch, device, graph);
        } catch (Throwable e) {
            throw symbols.failure("sails_graph_launch", graphLaunch, e);
        }
    }

    int graphClose(MemorySegment device, MemorySegment graph) {
        try {
            return (int) GRAPH_CLOSE.invokeExact(graphClose, device, graph);
        } catch (Throwable e) {
            throw symbols.failure("sails_graph_close", graphClose, e);
        }
    }
}
