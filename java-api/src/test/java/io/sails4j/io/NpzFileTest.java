package io.sails4j.io;

import static org.assertj.core.api.Assertions.assertThat;

import io.sails4j.InputException;
import io.sails4j.tensor.HostTensor;
import java.io.ByteArrayOutputStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.Random;
import java.util.SequencedMap;
import java.util.zip.CRC32;
import java.util.zip.ZipEntry;
import java.util.zip.ZipOutputStream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class NpzFileTest {
    @TempDir
    private Path directory;

    private static byte[] npy(String header, int dataBytes) {
        byte[] text = (header + "\n").getBytes(StandardCharsets.US_ASCII);
        byte[] out = new byte[10 + text.length + dataBytes];
        System.arraycopy(new byte[] {(byte) 0x93, 'N', 'U', 'M', 'P', 'Y', 1, 0, (byte) text.length, (byte) (text.length >> 8)}, 0, out, 0,
            10);
        System.arraycopy(text, 0, out, 10, text.length);
        return out;
    }

    private Path zip(String name, byte[] content, boolean stored) throws Exception {
        ByteArrayOutputStream bytes = new ByteArrayOutputStream();
        try (ZipOutputStream zip = new ZipOutputStream(bytes)) {
            ZipEntry entry = new ZipEntry(name);
            if (stored) {
                CRC32 crc = new CRC32();
                crc.update(content);
                entry.setMethod(ZipEntry.STORED);
                entry.setSize(content.length);
                entry.setCrc(crc.getValue());
            }
            zip.putNextEntry(entry);
            zip.write(content);
            zip.closeEntry();
        }
        return Files.write(directory.resolve("x.npz"), bytes.toByteArray());
    }

    private void refused(Path path, String... parts) {
        RefusedInput.input(() -> {
            try (NpzFile file = NpzFile.open(path)) {
                file.array("a");
            }
        }, path, parts);
    }

    @ParameterizedTest
    @CsvSource(delimiter = ';', quoteCharacter = '~', value = {
        "{'descr': '|O', 'fortran_order': False, 'shape': (2,), };Python objects",
        "{'descr': '<f4', 'fortran_order': True, 'shape': (2, 1), };Fortran order",
        "{'descr': '>f4', 'fortran_order': False, 'shape': (2,), };big-endian",
        "{'descr': [('a', '<f4')], 'fortran_order': False, 'shape': (2,), };structured",
        "{'descr': '<c8', 'fortran_order': False, 'shape': (1,), };<c8",
        "{'descr': '<f4', 'fortran_order': False, 'shape': (3,), };needs 12 bytes",
        "{'descr': '<f4', 'fortran_order': False, 'shape': (99999999999999999999,), };below 2^63",
        "{'descr': '<f4', 'fortran_order': False, 'shape': (4611686018427387904, 4), };2^63",
        "{'descr': '<f4', 'fortran_order': False};'shape'", "{};'descr'"})
    void headers(String header, String part) throws Exception {
        refused(zip("a.npy", npy(header, 8), true), part);
    }

    @Test
    void archives() throws Exception {
        String good = "{'descr': '<f4', 'fortran_order': False, 'shape': (2,), }";
        refused(zip("b.npy", npy(good, 8), true), "no array 'a'", "it has b");
        refused(zip("../a.npy", npy(good, 8), true), "../a.npy");
        refused(zip("a.txt", npy(good, 8), true), "a.txt");
        refused(zip("a.npy", "hello".getBytes(StandardCharsets.US_ASCII), true), "not a .npy array");
        refused(Files.write(directory.resolve("y.npz"), new byte[100]), "no zip archive");
        refused(Files.write(directory.resolve("z.npz"), new byte[0]), "is empty", "sails download");
        byte[] whole = Files.readAllBytes(zip("a.npy", npy(good, 8), true));
        refused(Files.write(directory.resolve("cut.npz"), Arrays.copyOf(whole, whole.length - 30)), "zip archive");
    }

    @Test
    void zipBomb() throws Exception {
        refused(zip("a.npy", new byte[100 << 20], false), "zip bomb");
    }

    @Test
    void storedAndDeflatedArraysRead() throws Exception {
        String good = "{'descr': '<f4', 'fortran_order': False, 'shape': (2,), }";
        for (boolean stored : new boolean[] {true, false}) {
            try (NpzFile file = NpzFile.open(zip("a.npy", npy(good, 8), stored))) {
                assertThat(file.array("a").toFloatArray()).containsExactly(0, 0);
                // Only what is stored uncompressed can be used where it lies in the file.
                assertThat(file.array("a").data().isNative()).isEqualTo(stored);
            }
        }
    }

    @Test
    void fuzz() throws Exception {
        SequencedMap<String, HostTensor> arrays = new LinkedHashMap<>();
        arrays.put("a", HostTensor.ofFloats(new float[] {1, 2, 3, 4}, 2, 2));
        arrays.put("b", HostTensor.ofFloats(new float[] {5}, 1));
        Path path = directory.resolve("good.npz");
        NpzWriter.write(path, arrays);
        byte[] good = Files.readAllBytes(path);
        Random random = new Random(5);
        int refused = 0;
        for (int i = 0; i < 4000; i++) {
            Path file = Files.write(directory.resolve("fuzz.npz"), SafetensorsFileTest.mutated(good, random));
            try (NpzFile opened = NpzFile.open(file)) {
                opened.names().forEach(name -> opened.array(name).toFloatArray());
            } catch (InputException | IllegalArgumentException e) {
                // A changed type letter makes integers of floats, which toFloatArray refuses by name.
                refused++;
            }
        }
        assertThat(refused).isPositive();
    }
}
