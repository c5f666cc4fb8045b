package io.sails4j.conformance;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.sails4j.NativeException;
import io.sails4j.ffi.NativeDevice;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import org.assertj.core.api.ThrowableAssert;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.Parameter;
import org.junit.jupiter.params.ParameterizedClass;
import org.junit.jupiter.params.provider.ValueSource;

/**
 * Whatever arguments come across the ABI, the answer is a status and a sentence, never a crash: every pointer NULL and misaligned, every
 * size negative and overflowing, every type unknown, every workspace too small, one at a time from a call that is right.
 */
@ParameterizedClass
@ValueSource(strings = {"cpu", "emulator"})
class AbiArgumentsTest {
    private static final long AREA = 1 << 20;

    /** Pointers that sails.h allows to be NULL. */
    private static final Map<String, Set<String>> NULLABLE = Map.ofEntries(
        Map.entry("sails_scale_rows", Set.of("beta")),
        Map.entry("sails_rmsnorm_forward", Set.of("rstd", "residual")), Map.entry("sails_rmsnorm_backward", Set.of("dweight")),
        Map.entry("sails_attention_forward", Set.of("lse")), Map.entry("sails_cross_entropy", Set.of("dlogits")),
        Map.entry("sails_head_loss", Set.of("dhidden", "dembed")), Map.entry("sails_preference_loss", Set.of("token_weight")),
        Map.entry("sails_dora_backward", Set.of("dmagnitude")),
        Map.entry("sails_lora_backward", Set.of("dx")), Map.entry("sails_sae_encode", Set.of("bias", "threshold", "scale", "gate_bias")),
        Map.entry("sails_sae_encode_backward", Set.of("scale")), Map.entry("sails_sae_decode", Set.of("bias", "scale")),
        Map.entry("sails_sae_decode_backward", Set.of("scale")), Map.entry("sails_sae_accumulate", Set.of("active", "token_weight")),
        Map.entry("sails_sae_statistics", Set.of("sum_squares", "active", "bias", "threshold", "scale", "gate_bias", "token_weight")),
        Map.entry("sails_linear_forward", Set.of("bias", "residual")), Map.entry("sails_linear_backward", Set.of()),
        Map.entry("sails_quantize", Set.of("importance")), Map.entry("sails_linear_glu_forward", Set.of("gate_h", "up_h")),
        Map.entry("sails_residual_norm_forward", Set.of("x_weight")),
        Map.entry("sails_standardize_backward", Set.of("dmean", "dstd")));

    @Parameter
    private String backend;

    private NativeDevice device;
    private long memory;

    @BeforeEach
    void open() {
        device = NativeDevice.open("sails_" + backend, 0, 0, "");
        memory = device.alloc(32 * AREA);
        device.fillZero(memory, 32 * AREA);
    }

    @AfterEach
    void close() {
        device.free(memory);
        device.close();
    }

    /** One wrong call: what is wrong with it, and its arguments. */
    private record Wrong(String what, Map<String, Number> arguments) {
    }

    @Test
    void everyOperationRefusesWrongArguments() {
        List<AbiFunction> operations = AbiFunction.operations();
        assertThat(operations).hasSizeGreaterThan(30);
        List<String> accepted = new ArrayList<>();
        for (AbiFunction operation : operations) {
            Map<String, Number> right = operation.arguments(memory, AREA);
            long needed = operation.workspaceBytes(device, right);
            assertThat(needed).as(operation.name()).isBetween(0L, AREA);
            right.computeIfPresent("workspace_bytes", (name, zero) -> needed);
            // What another operation has written is no right argument of this one.
            device.fillZero(memory, 32 * AREA);
            operation.call(device, right);
            for (Wrong wrong : wrongs(operation, right, needed)) {
                try {
                    operation.call(device, wrong.arguments);
                    accepted.add(operation.name() + " accepted " + wrong.what);
                } catch (NativeException e) {
                    assertThat(e.code()).as(operation.name() + " " + wrong.what).isIn(NativeException.INVALID_ARGUMENT,
                        NativeException.UNSUPPORTED);
                    assertThat(e.text()).as(operation.name() + " " + wrong.what).isNotBlank();
                }
            }
        }
        assertThat(accepted).isEmpty();
    }

    private static List<Wrong> wrongs(AbiFunction operation, Map<String, Number> right, long workspaceBytes) {
        List<Wrong> wrongs = new ArrayList<>();
        for (SailsHeader.Parameter parameter : operation.parameters()) {
            if (parameter.name().equals("workspace") || parameter.name().equals("workspace_bytes")) {
                if (workspaceBytes > 0) {
                    wrongs.add(parameter.pointer() ? wrong(right, parameter, 0, "NULL")
                        : wrong(right, parameter, workspaceBytes - 1, "one byte too small"));
                }
            } else if (parameter.pointer()) {
                if (!NULLABLE.getOrDefault(operation.name(), Set.of()).contains(parameter.name())) {
                    wrongs.add(wrong(right, parameter, 0, "NULL"));
                }
                wrongs.add(wrong(right, parameter, right.get(parameter.name()).longValue() + 1, "misaligned"));
            } else if (parameter.name().equals("activation")) {
                wrongs.add(wrong(right, parameter, 99, "99"));
                wrongs.add(wrong(right, parameter, -1, "-1"));
            } else if (AbiFunction.dtype(parameter)) {
                wrongs.add(wrong(right, parameter, 99, "99"));
                wrongs.add(wrong(right, parameter, -1, "-1"));
                wrongs.add(wrong(right, parameter, 4, "I32"));
            } else if (AbiFunction.size(parameter) && (!parameter.name().equals("k") || operation.name().equals("sails_matmul"))) {
                wrongs.add(wrong(right, parameter, -1, "-1"));
                if (!Set.of("top_k", "window").contains(parameter.name())) {
                    wrongs.add(wrong(right, parameter, Long.MAX_VALUE / 2, "2^62"));
                }
            }
        }
        return wrongs;
    }

    private static Wrong wrong(Map<String, Number> right, SailsHeader.Parameter parameter, long value, String what) {
        Map<String, Number> arguments = new LinkedHashMap<>(right);
        arguments.put(parameter.name(), value);
        return new Wrong(parameter.name() + " " + what, arguments);
    }

    @Test
    void listsOfTensorsAreChecked() {
        long[] one = {memory};
        assertThatThrownBy(() -> device.sumOfSquares(0, one, new long[] {4}, 1)).isInstanceOf(NativeException.class);
        assertThatThrownBy(() -> device.sumOfSquares(memory, new long[] {0}, new long[] {4}, 1)).isInstanceOf(NativeException.class);
        assertThatThrownBy(() -> device.sumOfSquares(memory, one, new long[] {-1}, 1)).isInstanceOf(NativeException.class);
        assertThatThrownBy(() -> device.sumOfSquares(memory, one, new long[] {1, 2}, 1)).isInstanceOf(IllegalArgumentException.class);
        long[] four = {4};
        refused(() -> device.adamw(one, one, one, new long[] {0}, memory, four, 1));
        refused(() -> device.adamw(one, one, one, one, memory, new long[] {-4}, 1));
        refused(() -> device.adamw(one, one, one, one, 0, four, 1));
        refused(() -> device.adamw(one, one, one, one, memory + 2, four, 1));
        for (long step : new long[] {0, -1}) {
            refused(() -> device.adamwRates(memory, step, 1, 0.1, 0.9, 0.9, 1e-8, 0));
        }
    }

    /** One tensor of 4 elements: every list one entry wrong at a time. */
    @Test
    void listsOfMomentsIn8BitsAreChecked() {
        long[] here = {memory};
        long[] four = {4};
        moments(here, here, here, here, here, here, four, memory, memory, memory);
        for (long[] wrong : new long[][] {{0}, {memory + 1}}) {
            refused(() -> moments(wrong, here, here, here, here, here, four, memory, memory, memory));
            refused(() -> moments(here, here, here, wrong, here, here, four, memory, memory, memory));
            refused(() -> moments(here, here, here, here, wrong, here, four, memory, memory, memory));
            refused(() -> moments(here, here, here, here, here, wrong, four, memory, memory, memory));
            refused(() -> moments(here, here, here, here, here, here, four, wrong[0], memory, memory));
            refused(() -> moments(here, here, here, here, here, here, four, memory, wrong[0], memory));
            refused(() -> moments(here, here, here, here, here, here, four, memory, memory, wrong[0]));
        }
        refused(() -> moments(here, new long[] {0}, here, here, here, here, four, memory, memory, memory));
        refused(() -> moments(here, here, new long[] {0}, here, here, here, four, memory, memory, memory));
        refused(() -> moments(here, here, here, here, here, here, new long[] {-1}, memory, memory, memory));
    }

    private void moments(long[] params, long[] m, long[] v, long[] mAbsmax, long[] vAbsmax, long[] grads, long[] sizes, long mCode,
        long vCode,
        long rates) {
        device.adamw8bit(params, m, v, mAbsmax, vAbsmax, grads, mCode, vCode, rates, sizes, 1);
    }

    /** A set of one matrix [4, 2] and a basis [4, 2]: every list one entry wrong at a time. */
    @Test
    void setsOfMatricesAreChecked() {
        long[] here = {memory};
        long[] four = {4};
        long[] two = {2};
        int[] left = {0};
        long room = device.projectSetWorkspaceBytes(four, two, two, 1);
        device.projectSet(here, here, here, four, two, two, left, 1, memory, room);
        long[][] wrongPointers = {{0}, {memory + 1}};
        for (long[] wrong : wrongPointers) {
            refused(() -> device.projectSet(wrong, here, here, four, two, two, left, 1, memory, room));
            refused(() -> device.projectSet(here, wrong, here, four, two, two, left, 1, memory, room));
            refused(() -> device.projectSet(here, here, wrong, four, two, two, left, 1, memory, room));
            refused(() -> update(wrong, here, here, here, here, four, 0, memory));
            refused(() -> update(here, wrong, here, here, here, four, 0, memory));
            refused(() -> update(here, here, wrong, here, here, four, 0, memory));
            refused(() -> update(here, here, here, wrong, here, four, 1, memory));
            refused(() -> update(here, here, here, here, wrong, four, 1, memory));
        }
        for (long wrong : new long[] {-1, Long.MAX_VALUE / 2}) {
            refused(() -> device.projectSet(here, here, here, new long[] {wrong}, two, two, left, 1, memory, room));
            refused(() -> device.projectSet(here, here, here, four, new long[] {wrong}, two, left, 1, memory, room));
            refused(() -> device.projectSet(here, here, here, four, two, new long[] {wrong}, left, 1, memory, room));
            refused(() -> device.projectSetWorkspaceBytes(new long[] {wrong}, two, two, 1));
            refused(() -> device.adamwProjectedWorkspaceBytes(four, two, new long[] {wrong}, 1));
        }
        refused(() -> device.projectSet(here, here, here, four, two, two, left, 1, memory, room - 1));
        refused(() -> device.projectSet(here, here, here, four, two, two, left, 1, 0, room));
        refused(() -> update(here, here, here, here, here, four, 2, memory));
        refused(() -> update(here, here, here, here, here, four, 0, 0));
        assertThatThrownBy(() -> device.projectSet(here, here, here, new long[] {4, 4}, two, two, left, 1, memory, room))
            .isInstanceOf(IllegalArgumentException.class);
    }

    private void update(long[] params, long[] m, long[] v, long[] grads, long[] bases, long[] d, int projection, long rates) {
        long[] two = {2};
        long room = device.adamwProjectedWorkspaceBytes(d, two, two, 1);
        device.adamwProjected(params, m, v, grads, bases, rates, d, two, two, new int[] {0}, 1, projection, memory, room);
    }

    /** Two maps [4, 4] with adapters of rank 2: every list one entry wrong at a time. */
    @Test
    void setsOfLinearMapsAreChecked() {
        long[] here = {memory, memory};
        long[] four = {4, 4};
        long[] two = {2, 2};
        long room = device.linearSetForwardWorkspaceBytes(four, two, 2, 2, 4, 0, 0);
        assertThat(room).isPositive();
        linearSet(here, memory, here, here, here, four, two, room);
        for (long wrong : new long[] {0, memory + 1}) {
            long[] last = {memory, wrong};
            refused(() -> linearSet(last, memory, here, here, here, four, two, room));
            refused(() -> linearSet(here, wrong, here, here, here, four, two, room));
            refused(() -> linearSet(here, memory, last, here, here, four, two, room));
            refused(() -> linearSet(here, memory, here, last, here, four, two, room));
            refused(() -> linearSet(here, memory, here, here, last, four, two, room));
        }
        for (long wrong : new long[] {-1, Long.MAX_VALUE / 2}) {
            refused(() -> linearSet(here, memory, here, here, here, new long[] {4, wrong}, two, room));
            refused(() -> linearSet(here, memory, here, here, here, four, new long[] {2, wrong}, room));
            refused(() -> device.linearSetForwardWorkspaceBytes(four, two, 2, wrong, 4, 0, 0));
            refused(() -> device.linearSetForwardWorkspaceBytes(four, two, 2, 2, wrong, 0, 0));
        }
        refused(() -> linearSet(here, memory, here, here, here, four, two, room - 1));
        refused(() -> linearSet(here, memory, here, here, here, four, new long[] {2, 0}, room));
        refused(() -> device.linearSetForwardWorkspaceBytes(four, two, 2, 2, 4, 1, 0));
    }

    private void linearSet(long[] ys, long x, long[] weights, long[] loraAs, long[] loraBs, long[] dOut, long[] r, long room) {
        device.linearSetForward(ys, x, weights, loraAs, loraBs, dOut, r, new float[] {1, 1}, 2, 2, 4, 0, 0, memory + AREA, room);
    }

    private static void refused(ThrowableAssert.ThrowingCallable call) {
        assertThatThrownBy(call).isInstanceOfSatisfying(NativeException.class,
            e -> assertThat(e.code()).isEqualTo(NativeException.INVALID_ARGUMENT));
    }

    @Test
    void memoryCallsAreChecked() {
        assertThatThrownBy(() -> device.alloc(-1)).isInstanceOf(NativeException.class);
        assertThatThrownBy(() -> device.alloc(Long.MAX_VALUE)).isInstanceOfSatisfying(NativeException.class,
            e -> assertThat(e.code()).isIn(NativeException.OUT_OF_MEMORY, NativeException.INVALID_ARGUMENT));
        assertThatThrownBy(() -> device.free(memory + 64)).isInstanceOf(NativeException.class);
        assertThatThrownBy(() -> device.fillZero(0, 8)).isInstanceOf(NativeException.class);
        assertThatThrownBy(() -> device.fillZero(memory, -8)).isInstanceOf(NativeException.class);
        assertThatThrownBy(() -> device.copy(0, memory, 8)).isInstanceOf(NativeException.class);
        assertThat(device.alloc(0)).isZero();
        device.free(0);
        device.fillZero(0, 0);
    }
}
