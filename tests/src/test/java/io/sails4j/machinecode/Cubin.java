package io.sails4j.machinecode;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;

/** The kernels of one file of machine code that {@code nvcc -cubin} wrote: an ELF file with a section {@code .text.NAME} a kernel. */
record Cubin(String architecture, List<Kernel> kernels) {

    /** registers, stack: of a thread, stack in bytes. */
    record Kernel(String symbol, int registers, int stack, List<Instruction> instructions) {
    }

    private static final int HEADER_BYTES = 64;
    private static final int MACHINE_CUDA = 190;
    private static final int SYMBOL_BYTES = 24;
    /** Entries of .nv.info whose value is the number of a symbol and a number: bytes of the stack, registers. */
    private static final int INFO_FRAME = 0x11;

    private static final int INFO_REGISTERS = 0x2f;
    private static final int INFO_SIZED = 4;

    private record Section(String name, int type, int offset, int size) {
    }

    static Cubin read(Path file) throws IOException {
        if (!Files.isRegularFile(file)) {
            throw new IllegalArgumentException(file + " is not there, expected a file that nvcc -cubin wrote.");
        }
        try {
            return parse(Files.readAllBytes(file));
        } catch (IllegalArgumentException | IndexOutOfBoundsException | ArithmeticException e) {
            throw new IllegalArgumentException(
                file + " is not read: " + e.getMessage() + "; expected a file that nvcc -cubin wrote.", e);
        }
    }

    static Cubin parse(byte[] bytes) {
        ByteBuffer file = ByteBuffer.wrap(bytes).order(ByteOrder.LITTLE_ENDIAN);
        if (bytes.length < HEADER_BYTES || file.getInt(0) != 0x464c457f || bytes[4] != 2) {
            throw new IllegalArgumentException("found no 64-bit ELF header");
        }
        if (file.getShort(18) != MACHINE_CUDA) {
            throw new IllegalArgumentException("found machine " + file.getShort(18) + ", expected " + MACHINE_CUDA + " (CUDA)");
        }
        // The number of the architecture is the second byte of the flags since CUDA 13 (ABI version 8), and was the first.
        int flags = file.getInt(48);
        int architecture = bytes[8] >= 8 ? flags >>> 8 & 0xff : flags & 0xff;
        List<Section> sections = sections(file);
        Map<String, int[]> info = info(file, sections);
        List<Kernel> kernels = new ArrayList<>();
        for (Section section : sections) {
            if (section.name.startsWith(".text.")) {
                String symbol = section.name.substring(".text.".length());
                int[] numbers = info.getOrDefault(symbol, new int[2]);
                kernels.add(new Kernel(symbol, numbers[0], numbers[1], instructions(file, section)));
            }
        }
        return new Cubin("sm_" + architecture, List.copyOf(kernels));
    }

    private static List<Section> sections(ByteBuffer file) {
        int offset = Math.toIntExact(file.getLong(40));
        int size = file.getShort(58);
        int count = file.getShort(60);
        int names = Math.toIntExact(file.getLong(offset + file.getShort(62) * size + 24));
        List<Section> sections = new ArrayList<>();
        for (int i = 0; i < count; i++) {
            int at = offset + i * size;
            sections.add(new Section(
                text(file, names + file.getInt(at)),
                file.getInt(at + 4),
                Math.toIntExact(file.getLong(at + 24)),
                Math.toIntExact(file.getLong(at + 32))));
        }
        return sections;
    }

    private static List<Instruction> instructions(ByteBuffer file, Section section) {
        List<Instruction> instructions = new ArrayList<>(section.size / Instruction.BYTES);
        for (int at = 0; at < section.size; at += Instruction.BYTES) {
            instructions.add(new Instruction(file.getLong(section.offset + at), file.getLong(section.offset + at + 8)));
        }
        return instructions;
    }

    /** Registers and stack by symbol. */
    private static Map<String, int[]> info(ByteBuffer file, List<Section> sections) {
        Section symbols = named(sections, ".symtab");
        Section names = named(sections, ".strtab");
        Section info = named(sections, ".nv.info");
        Map<String, int[]> numbers = new HashMap<>();
        int at = info.offset;
        while (at < info.offset + info.size) {
            int format = file.get(at);
            int attribute = file.get(at + 1);
            int bytes = format == INFO_SIZED ? file.getShort(at + 2) : 0;
            if (attribute == INFO_FRAME || attribute == INFO_REGISTERS) {
                int symbol = symbols.offset + file.getInt(at + 4) * SYMBOL_BYTES;
                int[] own = numbers.computeIfAbsent(text(file, names.offset + file.getInt(symbol)), _ -> new int[2]);
                own[attribute == INFO_REGISTERS ? 0 : 1] = file.getInt(at + 8);
            }
            at += 4 + bytes;
        }
        return numbers;
    }

    private static Section named(List<Section> sections, String name) {
        return sections.stream()
            .filter(section -> section.name.equals(name))
            .findFirst()
            .orElseThrow(() -> new IllegalArgumentException("found no section " + name));
    }

    private static String text(ByteBuffer file, int from) {
        int end = from;
        while (file.get(end) != 0) {
            end++;
        }
        byte[] bytes = new byte[end - from];
        file.get(from, bytes);
        return new String(bytes, StandardCharsets.UTF_8);
    }
}
