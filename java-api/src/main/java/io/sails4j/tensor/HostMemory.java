package io.sails4j.tensor;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;

/**
 * What the machine has left for whoever asks for memory now. Linux gives out more than there is and ends the process that touches it, so
 * that an allocation which succeeds proves nothing.
 */
public final class HostMemory {
    private static final Path MEMINFO = Path.of("/proc/meminfo");
    private static final Path GROUPS = Path.of("/sys/fs/cgroup");
    private static final long UNLIMITED = Long.MAX_VALUE;

    private HostMemory() {
    }

    /** Bytes that this process can still get, of the machine and of the group that limits it; the largest number where nobody says. */
    public static long availableBytes() {
        return Math.min(ofMachine(lines(MEMINFO)), ofGroup(GROUPS));
    }

    /** What can be had without taking it from others, and what can be swapped out. */
    static long ofMachine(List<String> meminfo) {
        long available = field(meminfo, "MemAvailable:");
        return available < 0 ? UNLIMITED : 1024 * (available + Math.max(0, field(meminfo, "SwapFree:")));
    }

    /** Of a group of version 2: its limit without what it uses; files that are only cached do not count. */
    static long ofGroup(Path group) {
        long limit = number(group.resolve("memory.max"));
        long used = number(group.resolve("memory.current"));
        if (limit < 0 || used < 0) {
            return UNLIMITED;
        }
        long cached = Math.max(0, field(lines(group.resolve("memory.stat")), "inactive_file"));
        return Math.max(0, limit - Math.max(0, used - cached));
    }

    private static long number(Path file) {
        List<String> lines = lines(file);
        return lines.isEmpty() || !lines.getFirst().matches("[0-9]{1,18}") ? -1 : Long.parseLong(lines.getFirst());
    }

    private static long field(List<String> lines, String name) {
        for (String line : lines) {
            String[] words = line.strip().split("\\s+");
            if (words.length >= 2 && words[0].equals(name) && words[1].matches("[0-9]{1,18}")) {
                return Long.parseLong(words[1]);
            }
        }
        return -1;
    }

    /** A file that is not there says nothing: other systems have other files. */
    private static List<String> lines(Path file) {
        try {
            return Files.exists(file) ? Files.readAllLines(file, StandardCharsets.ISO_8859_1) : List.of();
        } catch (IOException e) {
            return List.of();
        }
    }
}
