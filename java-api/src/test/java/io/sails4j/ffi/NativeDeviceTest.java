package io.sails4j.ffi;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatCode;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.sails4j.NativeException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.List;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;

/** Opening, memory, errors and closing of a device handle. */
class NativeDeviceTest {
    private static NativeDevice cpu() {
        return NativeDevice.open("sails_cpu", 0, 2, "");
    }

    @Test
    void describesItselfAndCountsMemory() {
        NativeDevice device = cpu();
        assertThat(device.isOpen()).isTrue();
        assertThat(device.describe()).contains("\"backend\"", "\"cpu\"", "\"threads\"");
        long pointer = device.allocate(1000);
        assertThat(pointer % 64).isZero();
        assertThat(device.memory()[0]).isGreaterThanOrEqualTo(1000);
        device.free(pointer);
        assertThat(device.memory()[0]).isZero();
        assertThat(device.memory()[1]).isGreaterThanOrEqualTo(1000);
        device.close();
    }

    /** Heap arrays go through a staging buffer: sizes at, around and far above it. */
    @Test
    void heapArraysComeBackAsTheyWent() {
        NativeDevice device = cpu();
        for (int n : new int[] {0, 1, (1 << 20) - 1, 1 << 20, (1 << 20) + 1, 5_000_003}) {
            byte[] bytes = new byte[n];
            for (int i = 0; i < n; i++) {
                bytes[i] = (byte) (i * 31 + i / 251);
            }
            long pointer = device.alloc(n);
            device.upload(pointer, MemorySegment.ofArray(bytes));
            byte[] back = new byte[n];
            device.download(MemorySegment.ofArray(back), pointer);
            assertThat(back).isEqualTo(bytes);
            device.free(pointer);
        }
        device.close();
    }

    @Test
    void nativeAndReadOnlySegmentsAreUploadedDirectly() {
        NativeDevice device = cpu();
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment source = arena.allocateFrom(ValueLayout.JAVA_INT, 1, 2, 3);
            long pointer = device.alloc(12);
            device.upload(pointer, source.asReadOnly());
            int[] back = new int[3];
            device.download(MemorySegment.ofArray(back), pointer);
            assertThat(back).containsExactly(1, 2, 3);
            assertThatThrownBy(() -> device.download(source.asReadOnly(), pointer)).isInstanceOf(IllegalArgumentException.class);
            device.free(pointer);
        }
        device.close();
    }

    @Test
    void aFailedCallTellsFunctionCodeAndSentence() {
        NativeDevice device = cpu();
        assertThatThrownBy(() -> device.axpby(0, 0, 5, 1, 1, 0)).isInstanceOfSatisfying(NativeException.class, e -> {
            assertThat(e.function()).isEqualTo("sails_axpby");
            assertThat(e.code()).isEqualTo(NativeException.INVALID_ARGUMENT);
            assertThat(e.text()).isNotBlank();
            assertThat(e).hasMessageStartingWith("sails_axpby: ").hasMessageEndingWith("(invalid argument)");
        });
        device.close();
    }

    /** Each thread's calls fail in their own way, and each gets the sentence of its own. */
    @Test
    void aSentenceBelongsToItsCall() throws Exception {
        NativeDevice device = cpu();
        try (ExecutorService threads = Executors.newVirtualThreadPerTaskExecutor()) {
            List<? extends Future<?>> calls = IntStream.range(0, 8).mapToObj(i -> threads.submit(() -> {
                for (int call = 0; call < 500; call++) {
                    assertThatThrownBy(() -> device.fillZero(64, -1 - i)).isInstanceOfSatisfying(NativeException.class,
                        e -> assertThat(e.text()).contains(Integer.toString(-1 - i)));
                }
            })).toList();
            for (Future<?> call : calls) {
                assertThatCode(call::get).doesNotThrowAnyException();
            }
        }
        device.close();
    }

    /** Host arrays of a call lie beside one another in native memory, also where they outgrow what is there. */
    @Test
    void longListsArriveWhole() {
        NativeDevice device = cpu();
        for (int n : new int[] {1, 511, 512, 513, 20_000, 3}) {
            long values = device.alloc(4L * n);
            float[] drawn = new float[n];
            long[] tensors = new long[n];
            long[] sizes = new long[n];
            for (int i = 0; i < n; i++) {
                drawn[i] = i % 100;
                tensors[i] = values + 4L * (n - 1 - i);
                sizes[i] = 1;
            }
            device.upload(values, MemorySegment.ofArray(drawn));
            long out = device.alloc(8L * n);
            device.sumOfSquares(out, tensors, sizes, n);
            double[] sums = new double[n];
            device.download(MemorySegment.ofArray(sums), out);
            for (int i = 0; i < n; i++) {
                assertThat(sums[i]).isEqualTo((double) drawn[n - 1 - i] * drawn[n - 1 - i]);
            }
            device.free(out);
            device.free(values);
        }
        assertThatThrownBy(() -> device.sumOfSquares(0, new long[2], new long[3], 2)).isInstanceOf(IllegalArgumentException.class)
            .hasMessage("lists of 2 and 3 tensors");
        device.close();
    }

    @Test
    void wrongOptionsAreRefused() {
        assertThatThrownBy(() -> NativeDevice.open("sails_cpu", 0, 0, "isa=quantum")).isInstanceOf(NativeException.class)
            .hasMessageContaining("quantum");
        assertThatThrownBy(() -> NativeDevice.open("sails_cpu", 0, 0, "matmul=mental")).isInstanceOf(NativeException.class)
            .hasMessageContaining("mental");
        assertThatThrownBy(() -> NativeDevice.open("sails_cpu", 0, 0, "colour=red")).isInstanceOf(NativeException.class)
            .hasMessageContaining("colour=red");
        assertThatThrownBy(() -> NativeDevice.open("sails_cpu", 7, 0, "")).isInstanceOf(NativeException.class);
        assertThatThrownBy(() -> NativeDevice.open("sails_cpu", 0, -1, "")).isInstanceOf(NativeException.class);
    }

    @Test
    void theDeviceSaysWhatMultiplies() {
        NativeDevice onednn = NativeDevice.open("sails_cpu", 0, 0, "matmul=onednn");
        assertThat(onednn.describe()).contains("\"matmul\":\"oneDNN ").doesNotContain("f32 up to");
        onednn.close();
        NativeDevice own = NativeDevice.open("sails_cpu", 0, 0, "matmul=own,isa=generic");
        assertThat(own.describe()).contains("\"matmul\":\"own generic\"");
        own.close();
        NativeDevice faster = NativeDevice.open("sails_cpu", 0, 0, "");
        assertThat(faster.describe()).contains("\"matmul\":\"oneDNN ");
        if (!faster.describe().contains("\"isa\":\"generic\"")) {
            assertThat(faster.describe()).contains(" for f32 up to 8 rows, from 128 rows where b is not transposed, and ");
        }
        faster.close();
    }

    @Test
    void afterCloseEveryCallIsAnErrorAndCloseIsNot() {
        NativeDevice device = cpu();
        device.close();
        device.close();
        assertThat(device.isOpen()).isFalse();
        assertThatThrownBy(device::synchronize).isInstanceOf(IllegalStateException.class);
        assertThatThrownBy(device::describe).isInstanceOf(IllegalStateException.class);
        assertThatThrownBy(() -> device.alloc(8)).isInstanceOf(IllegalStateException.class);
        assertThatThrownBy(() -> device.free(64)).isInstanceOf(IllegalStateException.class);
        assertThatThrownBy(() -> device.upload(0, MemorySegment.ofArray(new byte[3]))).isInstanceOf(IllegalStateException.class);
        assertThatThrownBy(() -> device.download(MemorySegment.ofArray(new byte[3]), 0)).isInstanceOf(IllegalStateException.class);
        assertThatThrownBy(() -> device.convert(0, 0, 0, 0, 0)).isInstanceOf(IllegalStateException.class);
    }

    /** Threads call while another closes: each call works or says that the device is closed. */
    @Test
    void closingWhileOthersCallNeverCrashes() throws Exception {
        try (ExecutorService threads = Executors.newVirtualThreadPerTaskExecutor()) {
            for (int round = 0; round < 20; round++) {
                NativeDevice device = cpu();
                List<? extends Future<?>> calls = IntStream.range(0, 8).mapToObj(i -> threads.submit(() -> {
                    try {
                        for (int call = 0; call < 1000; call++) {
                            long pointer = device.alloc(64);
                            device.fillZero(pointer, 64);
                            device.free(pointer);
                        }
                    } catch (IllegalStateException e) {
                        assertThat(e).hasMessageContaining("closed");
                    }
                })).toList();
                device.close();
                for (Future<?> call : calls) {
                    assertThatCode(call::get).doesNotThrowAnyException();
                }
            }
        }
    }

    @Test
    void severalDevicesLiveSideBySide() {
        NativeDevice first = cpu();
        NativeDevice second = NativeDevice.open("sails_cpu", 0, 1, "isa=generic");
        assertThat(first.library()).isSameAs(second.library());
        first.close();
        assertThat(second.describe()).contains("generic");
        second.close();
    }
}
