package io.sails4j.ffi;

import static java.lang.foreign.ValueLayout.ADDRESS;
import static java.lang.foreign.ValueLayout.JAVA_DOUBLE;
import static java.lang.foreign.ValueLayout.JAVA_FLOAT;
import static java.lang.foreign.ValueLayout.JAVA_INT;
import static java.lang.foreign.ValueLayout.JAVA_LONG;

import java.lang.foreign.FunctionDescriptor;
import java.lang.foreign.Linker;
import java.lang.foreign.MemoryLayout;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.SymbolLookup;
import java.lang.invoke.MethodHandle;

/**
 * {@code native/include/sails.h}, function by function in its order. The handles are constants, linked without an address; an
 * instance holds one library's symbols, so that several backends live in one process. Device pointers are {@code long}, host
 * pointers are segments. Every method returns the status; what it means is {@link NativeDevice}'s business.
 */
final class SailsH {
    static final int VERSION = 7;

    private static final Linker LINKER = Linker.nativeLinker();

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
    static final MethodHandle CONVERT = link(ADDRESS, ADDRESS, ADDRESS, JAVA_LONG, JAVA_INT, JAVA_INT);
    static final MethodHandle AXPBY = link(ADDRESS, ADDRESS, ADDRESS, JAVA_LONG, JAVA_FLOAT, JAVA_FLOAT, JAVA_INT);
    static final MethodHandle ADD_ROW = link(ADDRESS, ADDRESS, ADDRESS, ADDRESS, JAVA_LONG, JAVA_LONG, JAVA_FLOAT, JAVA_INT);
    static final MethodHandle GATHER_ROWS = link(ADDRESS, ADDRESS, ADDRESS, ADDRESS, JAVA_LONG, JAVA_LONG, JAVA_LONG, JAVA_INT);
    static final MethodHandle SUM_OF_SQUARES = link(ADDRESS, ADDRESS, ADDRESS, ADDRESS, JAVA_LONG);
    static final MethodHandle COUNT_NONFINITE = link(ADDRESS, ADDRESS, ADDRESS, JAVA_LONG, JAVA_INT);
    static final MethodHandle MATMUL_WORKSPACE_BYTES = link(ADDRESS, ADDRESS, JAVA_LONG, JAVA_LONG, JAVA_LONG, JAVA_INT, JAVA_INT,
        JAVA_INT, JAVA_INT);
    static final MethodHandle MATMUL = link(ADDRESS, ADDRESS, ADDRESS, ADDRESS, JAVA_LONG, JAVA_LONG, JAVA_LONG, JAVA_LONG,
        JAVA_LONG, JAVA_LONG, JAVA_INT, JAVA_INT, JAVA_INT, JAVA_INT, JAVA_FLOAT, JAVA_FLOAT, ADDRESS, JAVA_LONG);
    static final MethodHandle EMBEDDING_FORWARD = link(ADDRESS, ADDRESS, ADDRESS, ADDRESS, JAVA_LONG, JAVA_LONG, JAVA_LONG,
        JAVA_FLOAT, JAVA_INT, JAVA_INT);
    static final MethodHandle EMBEDDING_BACKWARD = link(ADDRESS, ADDRESS, ADDRESS, ADDRESS, JAVA_LONG, JAVA_LONG, JAVA_LONG,
        JAVA_FLOAT);
    static final MethodHandle RMSNORM_FORWARD = link(ADDRESS, ADDRESS, ADDRESS, ADDRESS, ADDRESS, ADDRESS, JAVA_LONG, JAVA_LONG,
        JAVA_FLOAT, JAVA_FLOAT, JAVA_INT, JAVA_INT);
    static final MethodHandle RMSNORM_BACKWARD_WORKSPACE_BYTES = link(ADDRESS, ADDRESS, JAVA_LONG, JAVA_LONG);
    static final MethodHandle RMSNORM_BACKWARD = link(ADDRESS, ADDRESS, ADDRESS, ADDRESS, ADDRESS, ADDRESS, ADDRESS, JAVA_LONG,
        JAVA_LONG, JAVA_FLOAT, JAVA_INT, JAVA_INT, JAVA_INT, ADDRESS, JAVA_LONG);
    static final MethodHandle ROPE_TABLE = link(ADDRESS, ADDRESS, ADDRESS, ADDRESS, JAVA_LONG, JAVA_LONG);
    static final MethodHandle ROPE = link(ADDRESS, ADDRESS, ADDRESS, ADDRESS, JAVA_LONG, JAVA_LONG, JAVA_LONG, JAVA_INT,
        JAVA_INT);
    static final MethodHandle ATTENTION_FORWARD_WORKSPACE_BYTES = link(ADDRESS, ADDRESS, JAVA_LONG, JAVA_LONG, JAVA_LONG,
        JAVA_LONG, JAVA_LONG, JAVA_LONG, JAVA_INT);
    static final MethodHandle ATTENTION_FORWARD = link(ADDRESS, ADDRESS, ADDRESS, ADDRESS, ADDRESS, ADDRESS, ADDRESS, ADDRESS,
        JAVA_LONG, JAVA_LONG, JAVA_LONG, JAVA_LONG, JAVA_LONG, JAVA_LONG, JAVA_LONG, JAVA_LONG, JAVA_LONG, JAVA_FLOAT, JAVA_FLOAT,
        JAVA_INT, ADDRESS, JAVA_LONG);
    static final MethodHandle ATTENTION_BACKWARD_WORKSPACE_BYTES = link(ADDRESS, ADDRESS, JAVA_LONG, JAVA_LONG, JAVA_LONG,
        JAVA_LONG, JAVA_LONG, JAVA_LONG, JAVA_INT);
    static final MethodHandle ATTENTION_BACKWARD = link(ADDRESS, ADDRESS, ADDRESS, ADDRESS, ADDRESS, ADDRESS, ADDRESS, ADDRESS,
        ADDRESS, ADDRESS, ADDRESS, ADDRESS, JAVA_LONG, JAVA_LONG, JAVA_LONG, JAVA_LONG, JAVA_LONG, JAVA_LONG, JAVA_LONG,
        JAVA_LONG, JAVA_LONG, JAVA_FLOAT, JAVA_FLOAT, JAVA_INT, ADDRESS, JAVA_LONG);
    static final MethodHandle GLU_FORWARD = link(ADDRESS, ADDRESS, ADDRESS, ADDRESS, JAVA_LONG, JAVA_INT, JAVA_INT);
    static final MethodHandle GLU_BACKWARD = link(ADDRESS, ADDRESS, ADDRESS, ADDRESS, ADDRESS, ADDRESS, JAVA_LONG, JAVA_INT,
        JAVA_INT);
    static final MethodHandle SOFTCAP_FORWARD = link(ADDRESS, ADDRESS, ADDRESS, JAVA_LONG, JAVA_FLOAT);
    static final MethodHandle SOFTCAP_BACKWARD = link(ADDRESS, ADDRESS, ADDRESS, ADDRESS, JAVA_LONG, JAVA_FLOAT);
    static final MethodHandle CROSS_ENTROPY = link(ADDRESS, ADDRESS, ADDRESS, ADDRESS, ADDRESS, ADDRESS, JAVA_LONG, JAVA_LONG);
    static final MethodHandle HEAD_LOSS_WORKSPACE_BYTES = link(ADDRESS, ADDRESS, JAVA_LONG, JAVA_LONG, JAVA_LONG, JAVA_INT);
    static final MethodHandle HEAD_LOSS = link(ADDRESS, ADDRESS, ADDRESS, ADDRESS, ADDRESS, ADDRESS, ADDRESS, ADDRESS, JAVA_LONG,
        JAVA_LONG, JAVA_LONG, JAVA_FLOAT, JAVA_INT, ADDRESS, JAVA_LONG);
    static final MethodHandle PREFERENCE_LOSS = link(ADDRESS, ADDRESS, ADDRESS, ADDRESS, ADDRESS, ADDRESS, ADDRESS, ADDRESS,
        JAVA_LONG, JAVA_LONG, JAVA_INT, JAVA_DOUBLE, JAVA_DOUBLE);
    static final MethodHandle SAMPLE_WORKSPACE_BYTES = link(ADDRESS, ADDRESS, JAVA_LONG, JAVA_LONG);
    static final MethodHandle SAMPLE = link(ADDRESS, ADDRESS, ADDRESS, ADDRESS, JAVA_LONG, JAVA_LONG, JAVA_FLOAT, JAVA_LONG,
        JAVA_FLOAT, ADDRESS, JAVA_LONG);
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
    static final MethodHandle LINEAR_SET_FORWARD_WORKSPACE_BYTES = link(ADDRESS, ADDRESS, ADDRESS, ADDRESS, JAVA_LONG,
        JAVA_LONG, JAVA_LONG, JAVA_INT, JAVA_INT);
    static final MethodHandle LINEAR_SET_FORWARD = link(ADDRESS, ADDRESS, ADDRESS, ADDRESS, ADDRESS, ADDRESS, ADDRESS, ADDRESS,
        ADDRESS, JAVA_LONG, JAVA_LONG, JAVA_LONG, JAVA_INT, JAVA_INT, ADDRESS, JAVA_LONG);
    static final MethodHandle LINEAR_GLU_FORWARD_WORKSPACE_BYTES = link(ADDRESS, ADDRESS, JAVA_LONG, JAVA_LONG, JAVA_LONG,
        JAVA_LONG, JAVA_LONG, JAVA_INT);
    static final MethodHandle LINEAR_GLU_FORWARD = link(ADDRESS, ADDRESS, ADDRESS, ADDRESS, ADDRESS, ADDRESS, ADDRESS, ADDRESS,
        ADDRESS, ADDRESS, ADDRESS, ADDRESS, ADDRESS, JAVA_LONG, JAVA_LONG, JAVA_LONG, JAVA_LONG, JAVA_LONG, JAVA_FLOAT, JAVA_FLOAT, JAVA_INT, JAVA_INT, ADDRESS,
        JAVA_LONG);
    static final MethodHandle RESIDUAL_NORM_FORWARD = link(ADDRESS, ADDRESS, ADDRESS, ADDRESS, ADDRESS, ADDRESS, ADDRESS,
        JAVA_LONG, JAVA_LONG, JAVA_FLOAT, JAVA_FLOAT, JAVA_INT);
    static final MethodHandle ROPE_APPEND = link(ADDRESS, ADDRESS, ADDRESS, ADDRESS, ADDRESS, ADDRESS, ADDRESS, ADDRESS,
        ADDRESS, ADDRESS, JAVA_LONG, JAVA_LONG, JAVA_LONG, JAVA_LONG, JAVA_LONG, JAVA_INT);
    static final MethodHandle ATTENTION_DECODE_WORKSPACE_BYTES = link(ADDRESS, ADDRESS, JAVA_LONG, JAVA_LONG, JAVA_LONG,
        JAVA_LONG, JAVA_LONG, JAVA_LONG, JAVA_INT);
    static final MethodHandle ATTENTION_DECODE = link(ADDRESS, ADDRESS, ADDRESS, ADDRESS, ADDRESS, ADDRESS, ADDRESS, ADDRESS,
        JAVA_LONG, JAVA_LONG, JAVA_LONG, JAVA_LONG, JAVA_LONG, JAVA_LONG, JAVA_FLOAT, JAVA_FLOAT, JAVA_INT, ADDRESS, JAVA_LONG);
    static final MethodHandle DECODE_ADVANCE = link(ADDRESS, ADDRESS, ADDRESS, ADDRESS, ADDRESS, ADDRESS, JAVA_LONG, JAVA_LONG);
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
    static final MethodHandle SAE_ENCODE_WORKSPACE_BYTES = link(ADDRESS, ADDRESS, JAVA_LONG, JAVA_LONG, JAVA_LONG, JAVA_INT,
        JAVA_LONG, JAVA_INT);
    static final MethodHandle SAE_ENCODE = link(ADDRESS, ADDRESS, ADDRESS, ADDRESS, ADDRESS, ADDRESS, ADDRESS, ADDRESS, ADDRESS,
        ADDRESS, JAVA_LONG, JAVA_LONG, JAVA_LONG, JAVA_LONG, JAVA_INT, JAVA_LONG, JAVA_INT, ADDRESS, JAVA_LONG);
    static final MethodHandle SAE_ENCODE_BACKWARD = link(ADDRESS, ADDRESS, ADDRESS, ADDRESS, ADDRESS, ADDRESS, ADDRESS, JAVA_LONG,
        JAVA_LONG, JAVA_LONG, JAVA_LONG, JAVA_INT);
    static final MethodHandle SAE_DECODE = link(ADDRESS, ADDRESS, ADDRESS, ADDRESS, ADDRESS, ADDRESS, ADDRESS, ADDRESS, JAVA_LONG,
        JAVA_LONG, JAVA_LONG, JAVA_LONG, JAVA_INT);
    static final MethodHandle SAE_DECODE_BACKWARD = link(ADDRESS, ADDRESS, ADDRESS, ADDRESS, ADDRESS, ADDRESS, ADDRESS, JAVA_LONG,
        JAVA_LONG, JAVA_LONG, JAVA_LONG, JAVA_INT);
    static final MethodHandle SAE_DENSIFY = link(ADDRESS, ADDRESS, ADDRESS, ADDRESS, ADDRESS, JAVA_LONG, JAVA_LONG, JAVA_LONG);
    static final MethodHandle SAE_ACCUMULATE = link(ADDRESS, ADDRESS, ADDRESS, ADDRESS, ADDRESS, ADDRESS, ADDRESS, ADDRESS,
        JAVA_LONG, JAVA_LONG, JAVA_LONG, JAVA_LONG);
    static final MethodHandle SAE_STATISTICS_WORKSPACE_BYTES = link(ADDRESS, ADDRESS, JAVA_LONG, JAVA_LONG, JAVA_LONG, JAVA_LONG,
        JAVA_INT, JAVA_INT);
    static final MethodHandle SAE_STATISTICS = link(ADDRESS, ADDRESS, ADDRESS, ADDRESS, ADDRESS, ADDRESS, ADDRESS, ADDRESS, ADDRESS,
        ADDRESS, ADDRESS, ADDRESS, JAVA_LONG, JAVA_LONG, JAVA_LONG, JAVA_LONG, JAVA_INT, JAVA_INT, ADDRESS, JAVA_LONG);
    static final MethodHandle STANDARDIZE_FORWARD = link(ADDRESS, ADDRESS, ADDRESS, ADDRESS, ADDRESS, JAVA_LONG, JAVA_LONG,
        JAVA_FLOAT);
    static final MethodHandle STANDARDIZE_BACKWARD = link(ADDRESS, ADDRESS, ADDRESS, ADDRESS, ADDRESS, ADDRESS, ADDRESS, ADDRESS,
        JAVA_LONG, JAVA_LONG, JAVA_FLOAT);
    static final MethodHandle UNSTANDARDIZE_FORWARD = link(ADDRESS, ADDRESS, ADDRESS, ADDRESS, ADDRESS, JAVA_LONG, JAVA_LONG);
    static final MethodHandle UNSTANDARDIZE_BACKWARD = link(ADDRESS, ADDRESS, ADDRESS, ADDRESS, ADDRESS, ADDRESS, ADDRESS,
        JAVA_LONG, JAVA_LONG);

    private final String library;
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
    private final MemorySegment convert;
    private final MemorySegment axpby;
    private final MemorySegment addRow;
    private final MemorySegment gatherRows;
    private final MemorySegment sumOfSquares;
    private final MemorySegment countNonfinite;
    private final MemorySegment matmulWorkspaceBytes;
    private final MemorySegment matmul;
    private final MemorySegment embeddingForward;
    private final MemorySegment embeddingBackward;
    private final MemorySegment rmsnormForward;
    private final MemorySegment rmsnormBackwardWorkspaceBytes;
    private final MemorySegment rmsnormBackward;
    private final MemorySegment ropeTable;
    private final MemorySegment rope;
    private final MemorySegment attentionForwardWorkspaceBytes;
    private final MemorySegment attentionForward;
    private final MemorySegment attentionBackwardWorkspaceBytes;
    private final MemorySegment attentionBackward;
    private final MemorySegment gluForward;
    private final MemorySegment gluBackward;
    private final MemorySegment softcapForward;
    private final MemorySegment softcapBackward;
    private final MemorySegment crossEntropy;
    private final MemorySegment headLossWorkspaceBytes;
    private final MemorySegment headLoss;
    private final MemorySegment preferenceLoss;
    private final MemorySegment sampleWorkspaceBytes;
    private final MemorySegment sample;
    private final MemorySegment loraForwardWorkspaceBytes;
    private final MemorySegment loraForward;
    private final MemorySegment loraBackwardWorkspaceBytes;
    private final MemorySegment loraBackward;
    private final MemorySegment linearForwardWorkspaceBytes;
    private final MemorySegment linearForward;
    private final MemorySegment linearBackwardWorkspaceBytes;
    private final MemorySegment linearBackward;
    private final MemorySegment linearSetForwardWorkspaceBytes;
    private final MemorySegment linearSetForward;
    private final MemorySegment linearGluForwardWorkspaceBytes;
    private final MemorySegment linearGluForward;
    private final MemorySegment residualNormForward;
    private final MemorySegment ropeAppend;
    private final MemorySegment attentionDecodeWorkspaceBytes;
    private final MemorySegment attentionDecode;
    private final MemorySegment decodeAdvance;
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
    private final MemorySegment saeEncodeWorkspaceBytes;
    private final MemorySegment saeEncode;
    private final MemorySegment saeEncodeBackward;
    private final MemorySegment saeDecode;
    private final MemorySegment saeDecodeBackward;
    private final MemorySegment saeDensify;
    private final MemorySegment saeAccumulate;
    private final MemorySegment saeStatisticsWorkspaceBytes;
    private final MemorySegment saeStatistics;
    private final MemorySegment standardizeForward;
    private final MemorySegment standardizeBackward;
    private final MemorySegment unstandardizeForward;
    private final MemorySegment unstandardizeBackward;

    /** Looks up every symbol; one that is missing is an error when it is called, and names itself. */
    SailsH(String library, SymbolLookup symbols) {
        this.library = library;
        abiVersion = find(symbols, "sails_abi_version");
        deviceOpen = find(symbols, "sails_device_open");
        deviceClose = find(symbols, "sails_device_close");
        deviceError = find(symbols, "sails_device_error");
        deviceDescribe = find(symbols, "sails_device_describe");
        deviceHostAccessible = find(symbols, "sails_device_host_accessible");
        deviceMemory = find(symbols, "sails_device_memory");
        alloc = find(symbols, "sails_alloc");
        free = find(symbols, "sails_free");
        upload = find(symbols, "sails_upload");
        download = find(symbols, "sails_download");
        copy = find(symbols, "sails_copy");
        fillZero = find(symbols, "sails_fill_zero");
        synchronize = find(symbols, "sails_synchronize");
        graphBegin = find(symbols, "sails_graph_begin");
        graphEnd = find(symbols, "sails_graph_end");
        graphLaunch = find(symbols, "sails_graph_launch");
        graphClose = find(symbols, "sails_graph_close");
        convert = find(symbols, "sails_convert");
        axpby = find(symbols, "sails_axpby");
        addRow = find(symbols, "sails_add_row");
        gatherRows = find(symbols, "sails_gather_rows");
        sumOfSquares = find(symbols, "sails_sum_of_squares");
        countNonfinite = find(symbols, "sails_count_nonfinite");
        matmulWorkspaceBytes = find(symbols, "sails_matmul_workspace_bytes");
        matmul = find(symbols, "sails_matmul");
        embeddingForward = find(symbols, "sails_embedding_forward");
        embeddingBackward = find(symbols, "sails_embedding_backward");
        rmsnormForward = find(symbols, "sails_rmsnorm_forward");
        rmsnormBackwardWorkspaceBytes = find(symbols, "sails_rmsnorm_backward_workspace_bytes");
        rmsnormBackward = find(symbols, "sails_rmsnorm_backward");
        ropeTable = find(symbols, "sails_rope_table");
        rope = find(symbols, "sails_rope");
        attentionForwardWorkspaceBytes = find(symbols, "sails_attention_forward_workspace_bytes");
        attentionForward = find(symbols, "sails_attention_forward");
        attentionBackwardWorkspaceBytes = find(symbols, "sails_attention_backward_workspace_bytes");
        attentionBackward = find(symbols, "sails_attention_backward");
        gluForward = find(symbols, "sails_glu_forward");
        gluBackward = find(symbols, "sails_glu_backward");
        softcapForward = find(symbols, "sails_softcap_forward");
        softcapBackward = find(symbols, "sails_softcap_backward");
        crossEntropy = find(symbols, "sails_cross_entropy");
        headLossWorkspaceBytes = find(symbols, "sails_head_loss_workspace_bytes");
        headLoss = find(symbols, "sails_head_loss");
        preferenceLoss = find(symbols, "sails_preference_loss");
        sampleWorkspaceBytes = find(symbols, "sails_sample_workspace_bytes");
        sample = find(symbols, "sails_sample");
        loraForwardWorkspaceBytes = find(symbols, "sails_lora_forward_workspace_bytes");
        loraForward = find(symbols, "sails_lora_forward");
        loraBackwardWorkspaceBytes = find(symbols, "sails_lora_backward_workspace_bytes");
        loraBackward = find(symbols, "sails_lora_backward");
        linearForwardWorkspaceBytes = find(symbols, "sails_linear_forward_workspace_bytes");
        linearForward = find(symbols, "sails_linear_forward");
        linearBackwardWorkspaceBytes = find(symbols, "sails_linear_backward_workspace_bytes");
        linearBackward = find(symbols, "sails_linear_backward");
        linearSetForwardWorkspaceBytes = find(symbols, "sails_linear_set_forward_workspace_bytes");
        linearSetForward = find(symbols, "sails_linear_set_forward");
        linearGluForwardWorkspaceBytes = find(symbols, "sails_linear_glu_forward_workspace_bytes");
        linearGluForward = find(symbols, "sails_linear_glu_forward");
        residualNormForward = find(symbols, "sails_residual_norm_forward");
        ropeAppend = find(symbols, "sails_rope_append");
        attentionDecodeWorkspaceBytes = find(symbols, "sails_attention_decode_workspace_bytes");
        attentionDecode = find(symbols, "sails_attention_decode");
        decodeAdvance = find(symbols, "sails_decode_advance");
        projectWorkspaceBytes = find(symbols, "sails_project_workspace_bytes");
        project = find(symbols, "sails_project");
        projectSetWorkspaceBytes = find(symbols, "sails_project_set_workspace_bytes");
        projectSet = find(symbols, "sails_project_set");
        adamwRates = find(symbols, "sails_adamw_rates");
        adamw = find(symbols, "sails_adamw");
        adamwProjectedWorkspaceBytes = find(symbols, "sails_adamw_projected_workspace_bytes");
        adamwProjected = find(symbols, "sails_adamw_projected");
        adamw8bit = find(symbols, "sails_adamw_8bit");
        doraNorm = find(symbols, "sails_dora_norm");
        doraForward = find(symbols, "sails_dora_forward");
        doraBackward = find(symbols, "sails_dora_backward");
        saeEncodeWorkspaceBytes = find(symbols, "sails_sae_encode_workspace_bytes");
        saeEncode = find(symbols, "sails_sae_encode");
        saeEncodeBackward = find(symbols, "sails_sae_encode_backward");
        saeDecode = find(symbols, "sails_sae_decode");
        saeDecodeBackward = find(symbols, "sails_sae_decode_backward");
        saeDensify = find(symbols, "sails_sae_densify");
        saeAccumulate = find(symbols, "sails_sae_accumulate");
        saeStatisticsWorkspaceBytes = find(symbols, "sails_sae_statistics_workspace_bytes");
        saeStatistics = find(symbols, "sails_sae_statistics");
        standardizeForward = find(symbols, "sails_standardize_forward");
        standardizeBackward = find(symbols, "sails_standardize_backward");
        unstandardizeForward = find(symbols, "sails_unstandardize_forward");
        unstandardizeBackward = find(symbols, "sails_unstandardize_backward");
    }

    private static MethodHandle link(MemoryLayout... parameters) {
        return LINKER.downcallHandle(FunctionDescriptor.of(JAVA_INT, parameters));
    }

    private static MemorySegment find(SymbolLookup symbols, String name) {
        return symbols.find(name).orElse(MemorySegment.NULL);
    }

    private static MemorySegment at(long address) {
        return MemorySegment.ofAddress(address);
    }

    /** A downcall itself throws nothing: either the symbol is missing or an argument segment is closed. */
    private RuntimeException failure(String function, MemorySegment symbol, Throwable cause) {
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

    int abiVersion(MemorySegment outVersion) {
        try {
            return (int) ABI_VERSION.invokeExact(abiVersion, outVersion);
        } catch (Throwable e) {
            throw failure("sails_abi_version", abiVersion, e);
        }
    }

    int deviceOpen(MemorySegment outDevice, int ordinal, int nThreads, MemorySegment options, MemorySegment errorText,
        long errorBytes) {
        try {
            return (int) DEVICE_OPEN.invokeExact(deviceOpen, outDevice, ordinal, nThreads, options, errorText, errorBytes);
        } catch (Throwable e) {
            throw failure("sails_device_open", deviceOpen, e);
        }
    }

    int deviceClose(MemorySegment device) {
        try {
            return (int) DEVICE_CLOSE.invokeExact(deviceClose, device);
        } catch (Throwable e) {
            throw failure("sails_device_close", deviceClose, e);
        }
    }

    int deviceError(MemorySegment device, MemorySegment text, long textBytes) {
        try {
            return (int) DEVICE_ERROR.invokeExact(deviceError, device, text, textBytes);
        } catch (Throwable e) {
            throw failure("sails_device_error", deviceError, e);
        }
    }

    int deviceDescribe(MemorySegment device, MemorySegment text, long textBytes) {
        try {
            return (int) DEVICE_DESCRIBE.invokeExact(deviceDescribe, device, text, textBytes);
        } catch (Throwable e) {
            throw failure("sails_device_describe", deviceDescribe, e);
        }
    }

    int deviceHostAccessible(MemorySegment device, MemorySegment outAccessible) {
        try {
            return (int) DEVICE_HOST_ACCESSIBLE.invokeExact(deviceHostAccessible, device, outAccessible);
        } catch (Throwable e) {
            throw failure("sails_device_host_accessible", deviceHostAccessible, e);
        }
    }

    int deviceMemory(MemorySegment device, MemorySegment outAllocatedBytes, MemorySegment outPeakBytes) {
        try {
            return (int) DEVICE_MEMORY.invokeExact(deviceMemory, device, outAllocatedBytes, outPeakBytes);
        } catch (Throwable e) {
            throw failure("sails_device_memory", deviceMemory, e);
        }
    }

    int alloc(MemorySegment device, MemorySegment outPointer, long bytes) {
        try {
            return (int) ALLOC.invokeExact(alloc, device, outPointer, bytes);
        } catch (Throwable e) {
            throw failure("sails_alloc", alloc, e);
        }
    }

    int free(MemorySegment device, long pointer) {
        try {
            return (int) FREE.invokeExact(free, device, at(pointer));
        } catch (Throwable e) {
            throw failure("sails_free", free, e);
        }
    }

    int upload(MemorySegment device, long destination, MemorySegment hostSource, long bytes) {
        try {
            return (int) UPLOAD.invokeExact(upload, device, at(destination), hostSource, bytes);
        } catch (Throwable e) {
            throw failure("sails_upload", upload, e);
        }
    }

    int download(MemorySegment device, MemorySegment hostDestination, long source, long bytes) {
        try {
            return (int) DOWNLOAD.invokeExact(download, device, hostDestination, at(source), bytes);
        } catch (Throwable e) {
            throw failure("sails_download", download, e);
        }
    }

    int copy(MemorySegment device, long destination, long source, long bytes) {
        try {
            return (int) COPY.invokeExact(copy, device, at(destination), at(source), bytes);
        } catch (Throwable e) {
            throw failure("sails_copy", copy, e);
        }
    }

    int fillZero(MemorySegment device, long destination, long bytes) {
        try {
            return (int) FILL_ZERO.invokeExact(fillZero, device, at(destination), bytes);
        } catch (Throwable e) {
            throw failure("sails_fill_zero", fillZero, e);
        }
    }

    int synchronize(MemorySegment device) {
        try {
            return (int) SYNCHRONIZE.invokeExact(synchronize, device);
        } catch (Throwable e) {
            throw failure("sails_synchronize", synchronize, e);
        }
    }

    int graphBegin(MemorySegment device) {
        try {
            return (int) GRAPH_BEGIN.invokeExact(graphBegin, device);
        } catch (Throwable e) {
            throw failure("sails_graph_begin", graphBegin, e);
        }
    }

    int graphEnd(MemorySegment device, MemorySegment outGraph) {
        try {
            return (int) GRAPH_END.invokeExact(graphEnd, device, outGraph);
        } catch (Throwable e) {
            throw failure("sails_graph_end", graphEnd, e);
        }
    }

    int graphLaunch(MemorySegment device, MemorySegment graph) {
        try {
            return (int) GRAPH_LAUNCH.invokeExact(graphLaunch, device, graph);
        } catch (Throwable e) {
            throw failure("sails_graph_launch", graphLaunch, e);
        }
    }

    int graphClose(MemorySegment device, MemorySegment graph) {
        try {
            return (int) GRAPH_CLOSE.invokeExact(graphClose, device, graph);
        } catch (Throwable e) {
            throw failure("sails_graph_close", graphClose, e);
        }
    }

    int convert(MemorySegment device, long destination, long source, long n, int destinationDtype, int sourceDtype) {
        try {
            return (int) CONVERT.invokeExact(convert, device, at(destination), at(source), n, destinationDtype, sourceDtype);
        } catch (Throwable e) {
            throw failure("sails_convert", convert, e);
        }
    }

    int axpby(MemorySegment device, long y, long x, long n, float alpha, float beta, int xDtype) {
        try {
            return (int) AXPBY.invokeExact(axpby, device, at(y), at(x), n, alpha, beta, xDtype);
        } catch (Throwable e) {
            throw failure("sails_axpby", axpby, e);
        }
    }

    int addRow(MemorySegment device, long y, long x, long row, long nRows, long nCols, float alpha, int xDtype) {
        try {
            return (int) ADD_ROW.invokeExact(addRow, device, at(y), at(x), at(row), nRows, nCols, alpha, xDtype);
        } catch (Throwable e) {
            throw failure("sails_add_row", addRow, e);
        }
    }

    int gatherRows(MemorySegment device, long y, long x, long rows, long n, long nRows, long nCols, int dtype) {
        try {
            return (int) GATHER_ROWS.invokeExact(gatherRows, device, at(y), at(x), at(rows), n, nRows, nCols, dtype);
        } catch (Throwable e) {
            throw failure("sails_gather_rows", gatherRows, e);
        }
    }

    int sumOfSquares(MemorySegment device, long outSums, MemorySegment tensors, MemorySegment sizes, long count) {
        try {
            return (int) SUM_OF_SQUARES.invokeExact(sumOfSquares, device, at(outSums), tensors, sizes, count);
        } catch (Throwable e) {
            throw failure("sails_sum_of_squares", sumOfSquares, e);
        }
    }

    int countNonfinite(MemorySegment device, long outCount, long x, long n, int dtype) {
        try {
            return (int) COUNT_NONFINITE.invokeExact(countNonfinite, device, at(outCount), at(x), n, dtype);
        } catch (Throwable e) {
            throw failure("sails_count_nonfinite", countNonfinite, e);
        }
    }

    int matmulWorkspaceBytes(MemorySegment device, MemorySegment outBytes, long m, long n, long k, int cDtype, int abDtype,
        int transposeA, int transposeB) {
        try {
            return (int) MATMUL_WORKSPACE_BYTES.invokeExact(matmulWorkspaceBytes, device, outBytes, m, n, k, cDtype, abDtype,
                transposeA, transposeB);
        } catch (Throwable e) {
            throw failure("sails_matmul_workspace_bytes", matmulWorkspaceBytes, e);
        }
    }

    int matmul(MemorySegment device, long c, long a, long b, long m, long n, long k, long ldc, long lda, long ldb, int cDtype,
        int abDtype, int transposeA, int transposeB, float alpha, float beta, long workspace, long workspaceBytes) {
        try {
            return (int) MATMUL.invokeExact(matmul, device, at(c), at(a), at(b), m, n, k, ldc, lda, ldb, cDtype, abDtype,
                transposeA, transposeB, alpha, beta, at(workspace), workspaceBytes);
        } catch (Throwable e) {
            throw failure("sails_matmul", matmul, e);
        }
    }

    int embeddingForward(MemorySegment device, long y, long ids, long table, long nTokens, long vocab, long dModel, float scale,
        int yDtype, int tableDtype) {
        try {
            return (int) EMBEDDING_FORWARD.invokeExact(embeddingForward, device, at(y), at(ids), at(table), nTokens, vocab,
                dModel, scale, yDtype, tableDtype);
        } catch (Throwable e) {
            throw failure("sails_embedding_forward", embeddingForward, e);
        }
    }

    int embeddingBackward(MemorySegment device, long dtable, long dy, long ids, long nTokens, long vocab, long dModel,
        float scale) {
        try {
            return (int) EMBEDDING_BACKWARD.invokeExact(embeddingBackward, device, at(dtable), at(dy), at(ids), nTokens, vocab,
                dModel, scale);
        } catch (Throwable e) {
            throw failure("sails_embedding_backward", embeddingBackward, e);
        }
    }

    int rmsnormForward(MemorySegment device, long y, long rstd, long x, long weight, long residual, long nRows, long d, float eps,
        float weightOffset, int yDtype, int xDtype) {
        try {
            return (int) RMSNORM_FORWARD.invokeExact(rmsnormForward, device, at(y), at(rstd), at(x), at(weight), at(residual),
                nRows, d, eps, weightOffset, yDtype, xDtype);
        } catch (Throwable e) {
            throw failure("sails_rmsnorm_forward", rmsnormForward, e);
        }
    }

    int rmsnormBackwardWorkspaceBytes(MemorySegment device, MemorySegment outBytes, long nRows, long d) {
        try {
            return (int) RMSNORM_BACKWARD_WORKSPACE_BYTES.invokeExact(rmsnormBackwardWorkspaceBytes, device, outBytes, nRows, d);
        } catch (Throwable e) {
            throw failure("sails_rmsnorm_backward_workspace_bytes", rmsnormBackwardWorkspaceBytes, e);
        }
    }

    int rmsnormBackward(MemorySegment device, long dx, long dweight, long dy, long x, long weight, long rstd, long nRows, long d,
        float weightOffset, int accumulateDx, int dyDtype, int xDtype, long workspace, long workspaceBytes) {
        try {
            return (int) RMSNORM_BACKWARD.invokeExact(rmsnormBackward, device, at(dx), at(dweight), at(dy), at(x), at(weight),
                at(rstd), nRows, d, weightOffset, accumulateDx, dyDtype, xDtype, at(workspace), workspaceBytes);
        } catch (Throwable e) {
            throw failure("sails_rmsnorm_backward", rmsnormBackward, e);
        }
    }

    int ropeTable(MemorySegment device, long table, long positions, long invFreq, long nTokens, long headDim) {
        try {
            return (int) ROPE_TABLE.invokeExact(ropeTable, device, at(table), at(positions), at(invFreq), nTokens, headDim);
        } catch (Throwable e) {
            throw failure("sails_rope_table", ropeTable, e);
        }
    }

    int rope(MemorySegment device, long y, long x, long table, long nTokens, long nHeads, long headDim, int inverse, int dtype) {
        try {
            return (int) ROPE.invokeExact(rope, device, at(y), at(x), at(table), nTokens, nHeads, headDim, inverse, dtype);
        } catch (Throwable e) {
            throw failure("sails_rope", rope, e);
        }
    }

    int attentionForwardWorkspaceBytes(MemorySegment device, MemorySegment outBytes, long batch, long nQueries, long nKeys,
        long nHeads, long nKvHeads, long headDim, int dtype) {
        try {
            return (int) ATTENTION_FORWARD_WORKSPACE_BYTES.invokeExact(attentionForwardWorkspaceBytes, device, outBytes, batch,
                nQueries, nKeys, nHeads, nKvHeads, headDim, dtype);
        } catch (Throwable e) {
            throw failure("sails_attention_forward_workspace_bytes", attentionForwardWorkspaceBytes, e);
        }
    }

    int attentionForward(MemorySegment device, long out, long lse, long q, long k, long v, long qSegment, long kSegment,
        long batch, long nQueries, long nKeys, long nHeads, long nKvHeads, long headDim, long kvBatchStride, long queryOffset,
        long window, float scale, float softcap, int dtype, long workspace, long workspaceBytes) {
        try {
            return (int) ATTENTION_FORWARD.invokeExact(attentionForward, device, at(out), at(lse), at(q), at(k), at(v),
                at(qSegment), at(kSegment), batch, nQueries, nKeys, nHeads, nKvHeads, headDim, kvBatchStride, queryOffset, window,
                scale, softcap, dtype, at(workspace), workspaceBytes);
        } catch (Throwable e) {
            throw failure("sails_attention_forward", attentionForward, e);
        }
    }

    int attentionBackwardWorkspaceBytes(MemorySegment device, MemorySegment outBytes, long batch, long nQueries, long nKeys,
        long nHeads, long nKvHeads, long headDim, int dtype) {
        try {
            return (int) ATTENTION_BACKWARD_WORKSPACE_BYTES.invokeExact(attentionBackwardWorkspaceBytes, device, outBytes, batch,
                nQueries, nKeys, nHeads, nKvHeads, headDim, dtype);
        } catch (Throwable e) {
            throw failure("sails_attention_backward_workspace_bytes", attentionBackwardWorkspaceBytes, e);
        }
    }

    int attentionBackward(MemorySegment device, long dq, long dk, long dv, long dout, long q, long k, long v, long out, long lse,
        long qSegment, long kSegment, long batch, long nQueries, long nKeys, long nHeads, long nKvHeads, long headDim,
        long kvBatchStride, long queryOffset, long window, float scale, float softcap, int dtype, long workspace,
        long workspaceBytes) {
        try {
            return (int) ATTENTION_BACKWARD.invokeExact(attentionBackward, device, at(dq), at(dk), at(dv), at(dout), at(q), at(k),
                at(v), at(out), at(lse), at(qSegment), at(kSegment), batch, nQueries, nKeys, nHeads, nKvHeads, headDim,
                kvBatchStride, queryOffset, window, scale, softcap, dtype, at(workspace), workspaceBytes);
        } catch (Throwable e) {
            throw failure("sails_attention_backward", attentionBackward, e);
        }
    }

    int gluForward(MemorySegment device, long y, long gate, long up, long n, int activation, int dtype) {
        try {
            return (int) GLU_FORWARD.invokeExact(gluForward, device, at(y), at(gate), at(up), n, activation, dtype);
        } catch (Throwable e) {
            throw failure("sails_glu_forward", gluForward, e);
        }
    }

    int gluBackward(MemorySegment device, long dgate, long dup, long dy, long gate, long up, long n, int activation, int dtype) {
        try {
            return (int) GLU_BACKWARD.invokeExact(gluBackward, device, at(dgate), at(dup), at(dy), at(gate), at(up), n,
                activation, dtype);
        } catch (Throwable e) {
            throw failure("sails_glu_backward", gluBackward, e);
        }
    }

    int softcapForward(MemorySegment device, long y, long x, long n, float cap) {
        try {
            return (int) SOFTCAP_FORWARD.invokeExact(softcapForward, device, at(y), at(x), n, cap);
        } catch (Throwable e) {
            throw failure("sails_softcap_forward", softcapForward, e);
        }
    }

    int softcapBackward(MemorySegment device, long dx, long dy, long y, long n, float cap) {
        try {
            return (int) SOFTCAP_BACKWARD.invokeExact(softcapBackward, device, at(dx), at(dy), at(y), n, cap);
        } catch (Throwable e) {
            throw failure("sails_softcap_backward", softcapBackward, e);
        }
    }

    int crossEntropy(MemorySegment device, long tokenLoss, long dlogits, long logits, long targets, long tokenWeight,
        long nTokens, long vocab) {
        try {
            return (int) CROSS_ENTROPY.invokeExact(crossEntropy, device, at(tokenLoss), at(dlogits), at(logits), at(targets),
                at(tokenWeight), nTokens, vocab);
        } catch (Throwable e) {
            throw failure("sails_cross_entropy", crossEntropy, e);
        }
    }

    int headLossWorkspaceBytes(MemorySegment device, MemorySegment outBytes, long nTokens, long dModel, long vocab, int dtype) {
        try {
            return (int) HEAD_LOSS_WORKSPACE_BYTES.invokeExact(headLossWorkspaceBytes, device, outBytes, nTokens, dModel, vocab,
                dtype);
        } catch (Throwable e) {
            throw failure("sails_head_loss_workspace_bytes", headLossWorkspaceBytes, e);
        }
    }

    int headLoss(MemorySegment device, long tokenLoss, long dhidden, long dembed, long hidden, long embed, long targets,
        long tokenWeight, long nTokens, long dModel, long vocab, float softcap, int dtype, long workspace, long workspaceBytes) {
        try {
            return (int) HEAD_LOSS.invokeExact(headLoss, device, at(tokenLoss), at(dhidden), at(dembed), at(hidden), at(embed),
                at(targets), at(tokenWeight), nTokens, dModel, vocab, softcap, dtype, at(workspace), workspaceBytes);
        } catch (Throwable e) {
            throw failure("sails_head_loss", headLoss, e);
        }
    }

    int preferenceLoss(MemorySegment device, long results, long tokenWeight, long tokenLoss, long targets, long starts, long ends,
        long reference, long nPairs, long nTokens, int kind, double strength, double lossScale) {
        try {
            return (int) PREFERENCE_LOSS.invokeExact(preferenceLoss, device, at(results), at(tokenWeight), at(tokenLoss),
                at(targets), at(starts), at(ends), at(reference), nPairs, nTokens, kind, strength, lossScale);
        } catch (Throwable e) {
            throw failure("sails_preference_loss", preferenceLoss, e);
        }
    }

    int sampleWorkspaceBytes(MemorySegment device, MemorySegment outBytes, long nRows, long vocab) {
        try {
            return (int) SAMPLE_WORKSPACE_BYTES.invokeExact(sampleWorkspaceBytes, device, outBytes, nRows, vocab);
        } catch (Throwable e) {
            throw failure("sails_sample_workspace_bytes", sampleWorkspaceBytes, e);
        }
    }

    int sample(MemorySegment device, long ids, long logits, long uniform, long nRows, long vocab, float temperature, long topK,
        float topP, long workspace, long workspaceBytes) {
        try {
            return (int) SAMPLE.invokeExact(sample, device, at(ids), at(logits), at(uniform), nRows, vocab, temperature, topK,
                topP, at(workspace), workspaceBytes);
        } catch (Throwable e) {
            throw failure("sails_sample", sample, e);
        }
    }

    int loraForwardWorkspaceBytes(MemorySegment device, MemorySegment outBytes, long n, long dIn, long dOut, long r) {
        try {
            return (int) LORA_FORWARD_WORKSPACE_BYTES.invokeExact(loraForwardWorkspaceBytes, device, outBytes, n, dIn, dOut, r);
        } catch (Throwable e) {
            throw failure("sails_lora_forward_workspace_bytes", loraForwardWorkspaceBytes, e);
        }
    }

    int loraForward(MemorySegment device, long y, long h, long x, long loraA, long loraB, long n, long dIn, long dOut, long r,
        float scale, int yDtype, int xDtype, long workspace, long workspaceBytes) {
        try {
            return (int) LORA_FORWARD.invokeExact(loraForward, device, at(y), at(h), at(x), at(loraA), at(loraB), n, dIn, dOut, r,
                scale, yDtype, xDtype, at(workspace), workspaceBytes);
        } catch (Throwable e) {
            throw failure("sails_lora_forward", loraForward, e);
        }
    }

    int loraBackwardWorkspaceBytes(MemorySegment device, MemorySegment outBytes, long n, long dIn, long dOut, long r) {
        try {
            return (int) LORA_BACKWARD_WORKSPACE_BYTES.invokeExact(loraBackwardWorkspaceBytes, device, outBytes, n, dIn, dOut, r);
        } catch (Throwable e) {
            throw failure("sails_lora_backward_workspace_bytes", loraBackwardWorkspaceBytes, e);
        }
    }

    int loraBackward(MemorySegment device, long dx, long dloraA, long dloraB, long dy, long x, long h, long loraA, long loraB,
        long n, long dIn, long dOut, long r, float scale, int dyDtype, int xDtype, long workspace, long workspaceBytes) {
        try {
            return (int) LORA_BACKWARD.invokeExact(loraBackward, device, at(dx), at(dloraA), at(dloraB), at(dy), at(x), at(h),
                at(loraA), at(loraB), n, dIn, dOut, r, scale, dyDtype, xDtype, at(workspace), workspaceBytes);
        } catch (Throwable e) {
            throw failure("sails_lora_backward", loraBackward, e);
        }
    }

    int linearForwardWorkspaceBytes(MemorySegment device, MemorySegment outBytes, long n, long dIn, long dOut, long r, int yDtype,
        int dtype) {
        try {
            return (int) LINEAR_FORWARD_WORKSPACE_BYTES.invokeExact(linearForwardWorkspaceBytes, device, outBytes, n, dIn, dOut, r,
                yDtype, dtype);
        } catch (Throwable e) {
            throw failure("sails_linear_forward_workspace_bytes", linearForwardWorkspaceBytes, e);
        }
    }

    int linearForward(MemorySegment device, long y, long h, long x, long weight, long bias, long residual, long loraA, long loraB,
        long n, long dIn, long dOut, long r, float scale, int yDtype, int dtype, long workspace, long workspaceBytes) {
        try {
            return (int) LINEAR_FORWARD.invokeExact(linearForward, device, at(y), at(h), at(x), at(weight), at(bias), at(residual),
                at(loraA), at(loraB), n, dIn, dOut, r, scale, yDtype, dtype, at(workspace), workspaceBytes);
        } catch (Throwable e) {
            throw failure("sails_linear_forward", linearForward, e);
        }
    }

    int linearBackwardWorkspaceBytes(MemorySegment device, MemorySegment outBytes, long n, long dIn, long dOut, long r, int dtype) {
        try {
            return (int) LINEAR_BACKWARD_WORKSPACE_BYTES.invokeExact(linearBackwardWorkspaceBytes, device, outBytes, n, dIn, dOut,
                r, dtype);
        } catch (Throwable e) {
            throw failure("sails_linear_backward_workspace_bytes", linearBackwardWorkspaceBytes, e);
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
            throw failure("sails_linear_backward", linearBackward, e);
        }
    }

    int linearSetForwardWorkspaceBytes(MemorySegment device, MemorySegment outBytes, MemorySegment dOut, MemorySegment r,
        long count, long n, long dIn, int yDtype, int dtype) {
        try {
            return (int) LINEAR_SET_FORWARD_WORKSPACE_BYTES.invokeExact(linearSetForwardWorkspaceBytes, device, outBytes, dOut,
                r, count, n, dIn, yDtype, dtype);
        } catch (Throwable e) {
            throw failure("sails_linear_set_forward_workspace_bytes", linearSetForwardWorkspaceBytes, e);
        }
    }

    int linearSetForward(MemorySegment device, MemorySegment ys, long x, MemorySegment weights, MemorySegment loraAs,
        MemorySegment loraBs, MemorySegment dOut, MemorySegment r, MemorySegment scale, long count, long n, long dIn,
        int yDtype, int dtype, long workspace, long workspaceBytes) {
        try {
            return (int) LINEAR_SET_FORWARD.invokeExact(linearSetForward, device, ys, at(x), weights, loraAs, loraBs, dOut, r,
                scale, count, n, dIn, yDtype, dtype, at(workspace), workspaceBytes);
        } catch (Throwable e) {
            throw failure("sails_linear_set_forward", linearSetForward, e);
        }
    }

    int linearGluForwardWorkspaceBytes(MemorySegment device, MemorySegment outBytes, long n, long dIn, long dOut, long gateR,
        long upR, int dtype) {
        try {
            return (int) LINEAR_GLU_FORWARD_WORKSPACE_BYTES.invokeExact(linearGluForwardWorkspaceBytes, device, outBytes, n,
                dIn, dOut, gateR, upR, dtype);
        } catch (Throwable e) {
            throw failure("sails_linear_glu_forward_workspace_bytes", linearGluForwardWorkspaceBytes, e);
        }
    }

    int linearGluForward(MemorySegment device, long y, long gate, long up, long gateH, long upH, long x, long gateWeight,
        long upWeight, long gateLoraA, long gateLoraB, long upLoraA, long upLoraB, long n, long dIn, long dOut, long gateR, long upR, float gateScale, float upScale,
        int activation, int dtype, long workspace, long workspaceBytes) {
        try {
            return (int) LINEAR_GLU_FORWARD.invokeExact(linearGluForward, device, at(y), at(gate), at(up), at(gateH), at(upH), at(x),
                at(gateWeight), at(upWeight), at(gateLoraA), at(gateLoraB), at(upLoraA), at(upLoraB), n, dIn, dOut, gateR, upR, gateScale, upScale,
                activation, dtype, at(workspace), workspaceBytes);
        } catch (Throwable e) {
            throw failure("sails_linear_glu_forward", linearGluForward, e);
        }
    }

    int residualNormForward(MemorySegment device, long out, long y, long x, long xWeight, long residual, long yWeight,
        long nRows, long d, float eps, float weightOffset, int yDtype) {
        try {
            return (int) RESIDUAL_NORM_FORWARD.invokeExact(residualNormForward, device, at(out), at(y), at(x), at(xWeight),
                at(residual), at(yWeight), nRows, d, eps, weightOffset, yDtype);
        } catch (Throwable e) {
            throw failure("sails_residual_norm_forward", residualNormForward, e);
        }
    }

    int ropeAppend(MemorySegment device, long q, long keys, long values, long kSegment, long k, long v, long table,
        long qSegment, long keyPosition, long batch, long capacity, long nHeads, long nKvHeads, long headDim, int dtype) {
        try {
            return (int) ROPE_APPEND.invokeExact(ropeAppend, device, at(q), at(keys), at(values), at(kSegment), at(k), at(v),
                at(table), at(qSegment), at(keyPosition), batch, capacity, nHeads, nKvHeads, headDim, dtype);
        } catch (Throwable e) {
            throw failure("sails_rope_append", ropeAppend, e);
        }
    }

    int attentionDecodeWorkspaceBytes(MemorySegment device, MemorySegment outBytes, long batch, long capacity, long nHeads,
        long nKvHeads, long headDim, long window, int dtype) {
        try {
            return (int) ATTENTION_DECODE_WORKSPACE_BYTES.invokeExact(attentionDecodeWorkspaceBytes, device, outBytes, batch,
                capacity, nHeads, nKvHeads, headDim, window, dtype);
        } catch (Throwable e) {
            throw failure("sails_attention_decode_workspace_bytes", attentionDecodeWorkspaceBytes, e);
        }
    }

    int attentionDecode(MemorySegment device, long out, long q, long keys, long values, long qSegment, long kSegment,
        long keyPosition, long batch, long capacity, long nHeads, long nKvHeads, long headDim, long window, float scale,
        float softcap, int dtype, long workspace, long workspaceBytes) {
        try {
            return (int) ATTENTION_DECODE.invokeExact(attentionDecode, device, at(out), at(q), at(keys), at(values),
                at(qSegment), at(kSegment), at(keyPosition), batch, capacity, nHeads, nKvHeads, headDim, window, scale, softcap,
                dtype, at(workspace), workspaceBytes);
        } catch (Throwable e) {
            throw failure("sails_attention_decode", attentionDecode, e);
        }
    }

    int decodeAdvance(MemorySegment device, long history, long positions, long keyPosition, long step, long ids, long batch,
        long nSteps) {
        try {
            return (int) DECODE_ADVANCE.invokeExact(decodeAdvance, device, at(history), at(positions), at(keyPosition),
                at(step), at(ids), batch, nSteps);
        } catch (Throwable e) {
            throw failure("sails_decode_advance", decodeAdvance, e);
        }
    }

    int projectWorkspaceBytes(MemorySegment device, MemorySegment outBytes, long d, long rS, long n) {
        try {
            return (int) PROJECT_WORKSPACE_BYTES.invokeExact(projectWorkspaceBytes, device, outBytes, d, rS, n);
        } catch (Throwable e) {
            throw failure("sails_project_workspace_bytes", projectWorkspaceBytes, e);
        }
    }

    int project(MemorySegment device, long y, long g, long basis, long d, long rS, long n, int right, long workspace,
        long workspaceBytes) {
        try {
            return (int) PROJECT.invokeExact(project, device, at(y), at(g), at(basis), d, rS, n, right, at(workspace),
                workspaceBytes);
        } catch (Throwable e) {
            throw failure("sails_project", project, e);
        }
    }

    int projectSetWorkspaceBytes(MemorySegment device, MemorySegment outBytes, MemorySegment d, MemorySegment rS, MemorySegment n,
        long count) {
        try {
            return (int) PROJECT_SET_WORKSPACE_BYTES.invokeExact(projectSetWorkspaceBytes, device, outBytes, d, rS, n, count);
        } catch (Throwable e) {
            throw failure("sails_project_set_workspace_bytes", projectSetWorkspaceBytes, e);
        }
    }

    int projectSet(MemorySegment device, MemorySegment ys, MemorySegment gs, MemorySegment bases, MemorySegment d, MemorySegment rS,
        MemorySegment n, MemorySegment right, long count, long workspace, long workspaceBytes) {
        try {
            return (int) PROJECT_SET.invokeExact(projectSet, device, ys, gs, bases, d, rS, n, right, count, at(workspace),
                workspaceBytes);
        } catch (Throwable e) {
            throw failure("sails_project_set", projectSet, e);
        }
    }

    int adamwRates(MemorySegment device, long rates, long step, double gradScale, double lr, double beta1, double beta2, double eps,
        double weightDecay) {
        try {
            return (int) ADAMW_RATES.invokeExact(adamwRates, device, at(rates), step, gradScale, lr, beta1, beta2, eps, weightDecay);
        } catch (Throwable e) {
            throw failure("sails_adamw_rates", adamwRates, e);
        }
    }

    int adamw(MemorySegment device, MemorySegment params, MemorySegment m, MemorySegment v, MemorySegment grads, long rates,
        MemorySegment sizes, long count) {
        try {
            return (int) ADAMW.invokeExact(adamw, device, params, m, v, grads, at(rates), sizes, count);
        } catch (Throwable e) {
            throw failure("sails_adamw", adamw, e);
        }
    }

    int adamwProjectedWorkspaceBytes(MemorySegment device, MemorySegment outBytes, MemorySegment d, MemorySegment rS, MemorySegment
        n, long count) {
        try {
            return (int) ADAMW_PROJECTED_WORKSPACE_BYTES.invokeExact(adamwProjectedWorkspaceBytes, device, outBytes, d, rS, n,
                count);
        } catch (Throwable e) {
            throw failure("sails_adamw_projected_workspace_bytes", adamwProjectedWorkspaceBytes, e);
        }
    }

    int adamwProjected(MemorySegment device, MemorySegment params, MemorySegment m, MemorySegment v, MemorySegment grads,
        MemorySegment bases, long rates, MemorySegment d, MemorySegment rS, MemorySegment n, MemorySegment right, long count, int projection,
        long workspace, long workspaceBytes) {
        try {
            return (int) ADAMW_PROJECTED.invokeExact(adamwProjected, device, params, m, v, grads, bases, at(rates), d, rS, n, right, count,
                projection, at(workspace), workspaceBytes);
        } catch (Throwable e) {
            throw failure("sails_adamw_projected", adamwProjected, e);
        }
    }

    int adamw8bit(MemorySegment device, MemorySegment params, MemorySegment m, MemorySegment v, MemorySegment mAbsmax,
        MemorySegment vAbsmax, MemorySegment grads, long mCode, long vCode, long rates, MemorySegment sizes, long count) {
        try {
            return (int) ADAMW_8BIT.invokeExact(adamw8bit, device, params, m, v, mAbsmax, vAbsmax, grads, at(mCode), at(vCode), at(rates), sizes,
                count);
        } catch (Throwable e) {
            throw failure("sails_adamw_8bit", adamw8bit, e);
        }
    }

    int doraNorm(MemorySegment device, long norm, long weight, long loraA, long loraB, long dOut, long dIn, long r, float scale,
        int dtype) {
        try {
            return (int) DORA_NORM.invokeExact(doraNorm, device, at(norm), at(weight), at(loraA), at(loraB), dOut, dIn, r, scale,
                dtype);
        } catch (Throwable e) {
            throw failure("sails_dora_norm", doraNorm, e);
        }
    }

    int doraForward(MemorySegment device, long y, long u, long magnitude, long norm, long n, long dOut, int yDtype) {
        try {
            return (int) DORA_FORWARD.invokeExact(doraForward, device, at(y), at(u), at(magnitude), at(norm), n, dOut, yDtype);
        } catch (Throwable e) {
            throw failure("sails_dora_forward", doraForward, e);
        }
    }

    int doraBackward(MemorySegment device, long du, long dmagnitude, long dy, long u, long magnitude, long norm, long n, long dOut,
        int dtype) {
        try {
            return (int) DORA_BACKWARD.invokeExact(doraBackward, device, at(du), at(dmagnitude), at(dy), at(u), at(magnitude),
                at(norm), n, dOut, dtype);
        } catch (Throwable e) {
            throw failure("sails_dora_backward", doraBackward, e);
        }
    }

    int saeEncodeWorkspaceBytes(MemorySegment device, MemorySegment outBytes, long nTokens, long dIn, long dSae, int activation,
        long k, int dtype) {
        try {
            return (int) SAE_ENCODE_WORKSPACE_BYTES.invokeExact(saeEncodeWorkspaceBytes, device, outBytes, nTokens, dIn, dSae,
                activation, k, dtype);
        } catch (Throwable e) {
            throw failure("sails_sae_encode_workspace_bytes", saeEncodeWorkspaceBytes, e);
        }
    }

    int saeEncode(MemorySegment device, long indices, long values, long counts, long x, long wEnc, long bias, long threshold,
        long scale, long gateBias, long nTokens, long dIn, long dSae, long capacity, int activation, long k, int dtype,
        long workspace, long workspaceBytes) {
        try {
            return (int) SAE_ENCODE.invokeExact(saeEncode, device, at(indices), at(values), at(counts), at(x), at(wEnc), at(bias),
                at(threshold), at(scale), at(gateBias), nTokens, dIn, dSae, capacity, activation, k, dtype, at(workspace),
                workspaceBytes);
        } catch (Throwable e) {
            throw failure("sails_sae_encode", saeEncode, e);
        }
    }

    int saeEncodeBackward(MemorySegment device, long dx, long dvalues, long indices, long counts, long wEnc, long scale,
        long nTokens, long dIn, long dSae, long capacity, int dtype) {
        try {
            return (int) SAE_ENCODE_BACKWARD.invokeExact(saeEncodeBackward, device, at(dx), at(dvalues), at(indices), at(counts),
                at(wEnc), at(scale), nTokens, dIn, dSae, capacity, dtype);
        } catch (Throwable e) {
            throw failure("sails_sae_encode_backward", saeEncodeBackward, e);
        }
    }

    int saeDecode(MemorySegment device, long recon, long indices, long values, long counts, long wDec, long bias, long scale,
        long nTokens, long dIn, long dSae, long capacity, int dtype) {
        try {
            return (int) SAE_DECODE.invokeExact(saeDecode, device, at(recon), at(indices), at(values), at(counts), at(wDec),
                at(bias), at(scale), nTokens, dIn, dSae, capacity, dtype);
        } catch (Throwable e) {
            throw failure("sails_sae_decode", saeDecode, e);
        }
    }

    int saeDecodeBackward(MemorySegment device, long dvalues, long drecon, long indices, long counts, long wDec, long scale,
        long nTokens, long dIn, long dSae, long capacity, int dtype) {
        try {
            return (int) SAE_DECODE_BACKWARD.invokeExact(saeDecodeBackward, device, at(dvalues), at(drecon), at(indices),
                at(counts), at(wDec), at(scale), nTokens, dIn, dSae, capacity, dtype);
        } catch (Throwable e) {
            throw failure("sails_sae_decode_backward", saeDecodeBackward, e);
        }
    }

    int saeDensify(MemorySegment device, long acts, long indices, long values, long counts, long nTokens, long dSae,
        long capacity) {
        try {
            return (int) SAE_DENSIFY.invokeExact(saeDensify, device, at(acts), at(indices), at(values), at(counts), nTokens, dSae,
                capacity);
        } catch (Throwable e) {
            throw failure("sails_sae_densify", saeDensify, e);
        }
    }

    int saeAccumulate(MemorySegment device, long sum, long active, long indices, long values, long counts, long tokenClass,
        long tokenWeight, long nTokens, long dSae, long capacity, long nClasses) {
        try {
            return (int) SAE_ACCUMULATE.invokeExact(saeAccumulate, device, at(sum), at(active), at(indices), at(values),
                at(counts), at(tokenClass), at(tokenWeight), nTokens, dSae, capacity, nClasses);
        } catch (Throwable e) {
            throw failure("sails_sae_accumulate", saeAccumulate, e);
        }
    }

    int saeStatisticsWorkspaceBytes(MemorySegment device, MemorySegment outBytes, long nTokens, long dIn, long dSae, long nClasses,
        int activation, int dtype) {
        try {
            return (int) SAE_STATISTICS_WORKSPACE_BYTES.invokeExact(saeStatisticsWorkspaceBytes, device, outBytes, nTokens, dIn,
                dSae, nClasses, activation, dtype);
        } catch (Throwable e) {
            throw failure("sails_sae_statistics_workspace_bytes", saeStatisticsWorkspaceBytes, e);
        }
    }

    int saeStatistics(MemorySegment device, long sum, long sumSquares, long active, long x, long wEnc, long bias, long threshold,
        long scale, long gateBias, long tokenClass, long tokenWeight, long nTokens, long dIn, long dSae, long nClasses, int
        activation, int dtype, long workspace, long workspaceBytes) {
        try {
            return (int) SAE_STATISTICS.invokeExact(saeStatistics, device, at(sum), at(sumSquares), at(active), at(x), at(wEnc),
                at(bias), at(threshold), at(scale), at(gateBias), at(tokenClass), at(tokenWeight), nTokens, dIn, dSae, nClasses,
                activation, dtype, at(workspace), workspaceBytes);
        } catch (Throwable e) {
            throw failure("sails_sae_statistics", saeStatistics, e);
        }
    }

    int standardizeForward(MemorySegment device, long y, long mean, long std, long x, long nRows, long nCols, float eps) {
        try {
            return (int) STANDARDIZE_FORWARD.invokeExact(standardizeForward, device, at(y), at(mean), at(std), at(x), nRows,
                nCols, eps);
        } catch (Throwable e) {
            throw failure("sails_standardize_forward", standardizeForward, e);
        }
    }

    int standardizeBackward(MemorySegment device, long dx, long dy, long dmean, long dstd, long x, long mean, long std,
        long nRows, long nCols, float eps) {
        try {
            return (int) STANDARDIZE_BACKWARD.invokeExact(standardizeBackward, device, at(dx), at(dy), at(dmean), at(dstd), at(x),
                at(mean), at(std), nRows, nCols, eps);
        } catch (Throwable e) {
            throw failure("sails_standardize_backward", standardizeBackward, e);
        }
    }

    int unstandardizeForward(MemorySegment device, long y, long x, long mean, long std, long nRows, long nCols) {
        try {
            return (int) UNSTANDARDIZE_FORWARD.invokeExact(unstandardizeForward, device, at(y), at(x), at(mean), at(std), nRows,
                nCols);
        } catch (Throwable e) {
            throw failure("sails_unstandardize_forward", unstandardizeForward, e);
        }
    }

    int unstandardizeBackward(MemorySegment device, long dx, long dmean, long dstd, long dy, long x, long std, long nRows,
        long nCols) {
        try {
            return (int) UNSTANDARDIZE_BACKWARD.invokeExact(unstandardizeBackward, device, at(dx), at(dmean), at(dstd), at(dy),
                at(x), at(std), nRows, nCols);
        } catch (Throwable e) {
            throw failure("sails_unstandardize_backward", unstandardizeBackward, e);
        }
    }
}
