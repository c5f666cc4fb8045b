package io.sails4j.fuzz;

import java.io.ByteArrayInputStream;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;
import java.util.zip.CRC32;
import java.util.zip.ZipEntry;
import java.util.zip.ZipInputStream;
import java.util.zip.ZipOutputStream;

/**
 * Zips of arrays whose sums and lengths are right, so that a reader comes to the headers. The first bytes of a program say which of the
 * arrays are there and whether they are packed; two bytes after them are a change: which array and part of its header, and what it becomes.
 */
final class ArrayEdits {
    private static final String[] PIECES = {"'<f4'", "'<f8'", "'<f2'", "'<i4'", "'<i8'", "'|b1'", "'>f4'", "'|O'", "'<U3'", "''", "True",
        "False", "None", "()", "(0,)", "(2,)", "(2, 3)", "(3, 2)", "(3,)", "(4294967296, 4294967296)", "(-1,)", "(9223372036854775807,)",
        "(2, 2, 2)", "[('a', '<f4')]", "(1e400,)", "(2,3", "2", "'descr'", "'shape'", "'\u00e9'", "(2L,)", "(2, )"};
    private static final int PARTS = 8;

    private record Array(String name, byte[] data) {
    }

    private final List<List<Array>> files = new ArrayList<>();

    ArrayEdits(List<byte[]> seeds) throws IOException {
        for (byte[] seed : seeds) {
            List<Array> arrays = new ArrayList<>();
            try (ZipInputStream zip = new ZipInputStream(new ByteArrayInputStream(seed))) {
                for (ZipEntry entry = zip.getNextEntry(); entry != null; entry = zip.getNextEntry()) {
                    byte[] all = zip.readAllBytes();
                    int header = 10 + (all[8] & 0xff) + 256 * (all[9] & 0xff);
                    arrays.add(new Array(entry.getName() + "\n" + new String(all, 10, header - 10, StandardCharsets.ISO_8859_1),
                        java.util.Arrays.copyOfRange(all, header, all.length)));
                }
            }
            files.add(arrays);
        }
    }

    byte[] apply(byte[] program) {
        ByteArrayOutputStream bytes = new ByteArrayOutputStream();
        List<Array> arrays = files.get(at(program, 0) % files.size());
        try (ZipOutputStream zip = new ZipOutputStream(bytes)) {
            for (int i = 0; i < arrays.size(); i++) {
                if ((at(program, 1) >> i & 1) == 0) {
                    entry(zip, arrays.get(i), i, program);
                }
            }
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
        return bytes.toByteArray();
    }

    private static int at(byte[] program, int i) {
        return i < program.length ? program[i] & 0xff : 0;
    }

    private static void entry(ZipOutputStream zip, Array array, int number, byte[] program) throws IOException {
        String[] named = array.name().split("\n", 2);
        String header = header(named[1], number, program);
        int cut = array.data().length - Math.min(array.data().length, at(program, 2) % 4 == 3 ? at(program, 3) % 16 : 0);
        byte[] text = header.getBytes(StandardCharsets.ISO_8859_1);
        ByteArrayOutputStream file = new ByteArrayOutputStream();
        int version = at(program, 2) % 5 == 4 ? 2 : 1;
        file.write(new byte[] {(byte) 0x93, 'N', 'U', 'M', 'P', 'Y', (byte) version, 0, (byte) text.length, (byte) (text.length >> 8)});
        if (version == 2) {
            file.write(new byte[2]);
        }
        file.write(text);
        file.write(array.data(), 0, cut);
        ZipEntry entry = new ZipEntry(named[0]);
        if (at(program, 2) % 2 == 0) {
            CRC32 sum = new CRC32();
            sum.update(file.toByteArray());
            entry.setMethod(ZipEntry.STORED);
            entry.setSize(file.size());
            entry.setCrc(sum.getValue());
        }
        zip.putNextEntry(entry);
        zip.write(file.toByteArray());
        zip.closeEntry();
    }

    /** The header with the pieces that a program puts into it, one change a word of it. */
    private static String header(String header, int number, byte[] program) {
        String[] parts = header.split("(?<=[:,{}]) *(?![^(]*\\))");
        for (int i = 4; i + 1 < program.length; i += 2) {
            int where = at(program, i);
            if (where / PARTS % 8 == number && where % PARTS < parts.length) {
                String end = parts[where % PARTS].endsWith(":") ? ":" : ",";
                parts[where % PARTS] = PIECES[at(program, i + 1) % PIECES.length] + end;
            }
        }
        return String.join(" ", parts);
    }
}
