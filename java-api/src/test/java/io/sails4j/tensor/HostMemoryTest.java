package io.sails4j.tensor;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatExceptionOfType;

import io.sails4j.NativeException;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** What the machine has left, and that nothing is asked of it that it has not got. */
class HostMemoryTest {
    @TempDir
    private Path group;

    @Test
    void whatCanBeHadAndSwappedOut() {
        assertThat(HostMemory.ofMachine(List.of("MemTotal:  100 kB", "MemFree:  1 kB", "MemAvailable:  30 kB", "SwapFree:  12 kB")))
            .isEqualTo(42 * 1024);
        assertThat(HostMemory.ofMachine(List.of("MemAvailable: many kB"))).isEqualTo(Long.MAX_VALUE);
        assertThat(HostMemory.ofMachine(List.of())).isEqualTo(Long.MAX_VALUE);
    }

    @Test
    void aGroupsLimit() throws IOException {
        assertThat(HostMemory.ofGroup(group)).isEqualTo(Long.MAX_VALUE);
        Files.writeString(group.resolve("memory.max"), "max\n");
        Files.writeString(group.resolve("memory.current"), "700\n");
        assertThat(HostMemory.ofGroup(group)).isEqualTo(Long.MAX_VALUE);
        Files.writeString(group.resolve("memory.max"), "1000\n");
        assertThat(HostMemory.ofGroup(group)).isEqualTo(300);
        Files.writeString(group.resolve("memory.stat"), "anon 1\ninactive_file 200\n");
        assertThat(HostMemory.ofGroup(group)).isEqualTo(500);
        Files.writeString(group.resolve("memory.current"), "5000\n");
        assertThat(HostMemory.ofGroup(group)).isZero();
    }

    /** Half as much again as there is: the system would promise it. */
    @Test
    void aBufferLargerThanTheMachineIsRefused() {
        long available = HostMemory.availableBytes();
        assertThat(available).isPositive().isLessThan(1L << 50);
        try (Device device = Device.open(Backend.CPU, 1, "")) {
            assertThatExceptionOfType(NativeException.class).isThrownBy(() -> device.allocateBytes(available + available / 2))
                .satisfies(e -> assertThat(e.code()).isEqualTo(NativeException.OUT_OF_MEMORY))
                .withMessageContaining("MiB are needed at once");
            assertThat(device.allocatedBytes()).isZero();
        }
    }
}
