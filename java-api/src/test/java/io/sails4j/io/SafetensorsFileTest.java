package io.sails4j.io;

import static org.assertj.core.api.Assertions.assertThat;

import io.sails4j.InputException;
import io.sails4j.tensor.DType;
import io.sails4j.tensor.HostTensor;
import java.io.ByteArrayOutputStream;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.Random;
import java.util.SequencedMap;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

class SafetensorsFileTest {
    private static final String GOOD = "'a':{'dtype':'F32','shape':[2],'data_offsets':[0,8]}";

    @TempDir
    private Path directory;

    private Path write(byte[] bytes) throws Exception {
        return Files.write(directory.resolve("x.safetensors"), bytes);
    }

    private Path write(long headerLength, byte[] header, int dataBytes) throws Exception {
        ByteArrayOutputStream out = new ByteArrayOutputStream();
        out.write(ByteBuffer.allocate(8).order(ByteOrder.LITTLE_ENDIAN).putLong(headerLength).array());
        out.write(header);
        out.write(new byte[dataBytes]);
        return write(out.toByteArray());
    }

    /** A file with this header, single quotes standing for double ones. */
    private Path withHeader(String json, int dataBytes) throws Exception {
        byte[] header = json.replace('\'', '"').getBytes(StandardCharsets.UTF_8);
        return write(header.length, header, dataBytes);
    }

    private void refused(Path path, String... parts) {
        RefusedInput.input(() -> SafetensorsFile.open(path).close(), path, parts);
    }

    @Test
    void emptyAndShortFiles() throws Exception {
        refused(write(new byte[0]), "0 bytes");
        refused(write(new byte[7]), "7 bytes");
        refused(directory.resolve("missing.safetensors"), "does not exist");
        refused(directory, "not a regular file");
    }

    @ParameterizedTest
    @CsvSource({"0,length is 0", "50,cut off", "100000001,100000001", "-9223372036854775808,9223372036854775808",
        "-1,18446744073709551615"})
    void headerLengths(long length, String part) throws Exception {
        refused(write(length, "{}".getBytes(StandardCharsets.UTF_8), 0), part);
    }

    @Test
    void notUtf8() throws Exception {
        refused(write(4, new byte[] {'{', (byte) 0xff, (byte) 0xfe, '}'}, 0), "UTF-8");
    }

    @ParameterizedTest
    @CsvSource(delimiter = '|', quoteCharacter = '~', value = {
        "[1]|not a JSON object", "{|JSON", "{} x|JSON", "{'a':1}|not a JSON object with dtype",
        "{" + GOOD + "," + GOOD + "}|Duplicate", "{" + GOOD + ",'\\u0061':{'dtype':'F32','shape':[2],'data_offsets':[0,8]}}|Duplicate",
        "{'a':{'dtype':'F32','dtype':'F32','shape':[2],'data_offsets':[0,8]}}|Duplicate",
        "{'a':{'dtype':'F8_E4M3','shape':[8],'data_offsets':[0,8]}}|F8_E4M3",
        "{'a':{'dtype':'F32','shape':[-2],'data_offsets':[0,8]}}|negative",
        "{'a':{'dtype':'F32','shape':[4611686018427387904,4611686018427387904],'data_offsets':[0,8]}}|2^63",
        "{'a':{'dtype':'F32','shape':[9223372036854775807],'data_offsets':[0,8]}}|2^63",
        "{'a':{'dtype':'F32','shape':[99999999999999999999],'data_offsets':[0,8]}}|64 bits",
        "{'a':{'dtype':'F32','shape':[2.0],'data_offsets':[0,8]}}|expected integers",
        "{'a':{'dtype':'F32','shape':['2'],'data_offsets':[0,8]}}|expected integers",
        "{'a':{'dtype':'F32','shape':[3],'data_offsets':[0,8]}}|needs 12 bytes",
        "{'a':{'dtype':'F32','shape':[2],'data_offsets':[8,0]}}|data_offsets",
        "{'a':{'dtype':'F32','shape':[2],'data_offsets':[-8,0]}}|data_offsets",
        "{'a':{'dtype':'F32','shape':[2],'data_offsets':[0]}}|data_offsets",
        "{'a':{'dtype':'F32','shape':[2]}}|lacks data_offsets",
        "{'a':{'dtype':'F32','shape':[2],'data_offsets':[0,8],'more':1}}|unknown key 'more'",
        "{'__metadata__':{'a':1}," + GOOD + "}|not a string",
        "{" + GOOD + ",'b':{'dtype':'F32','shape':[2],'data_offsets':[4,12]}}|overlaps",
        "{" + GOOD + ",'b':{'dtype':'F32','shape':[2],'data_offsets':[12,20]}}|no holes",
        "{" + GOOD + ",'b':{'dtype':'F32','shape':[2],'data_offsets':[8,16]}}|cut off",
        "{'b':{'dtype':'F32','shape':[1],'data_offsets':[0,4]}}|belong to no tensor"})
    void headers(String json, String part) throws Exception {
        refused(withHeader(json, 8), part);
    }

    @Test
    void manyEntriesWork() throws Exception {
        StringBuilder json = new StringBuilder("{");
        for (int i = 0; i < 100_000; i++) {
            json.append(i == 0 ? "" : ",").append("'t").append(i).append("':{'dtype':'U8','shape':[1],'data_offsets':[").append(i)
                .append(',')
                .append(i + 1).append("]}");
        }
        try (SafetensorsFile file = SafetensorsFile.open(withHeader(json.append('}').toString(), 100_000))) {
            assertThat(file.names()).hasSize(100_000);
            assertThat(file.tensor("t99999").shape().numel()).isOne();
        }
    }

    @Test
    void missingTensorNamesThoseThere() throws Exception {
        Path path = withHeader("{" + GOOD + "}", 8);
        RefusedInput.input(() -> {
            try (SafetensorsFile file = SafetensorsFile.open(path)) {
                file.tensor("b");
            }
        }, path, "'b'", "it has a");
    }

    @Test
    void roundTripIsByteIdentical() throws Exception {
        SequencedMap<String, HostTensor> tensors = new LinkedHashMap<>();
        tensors.put("f", HostTensor.ofFloats(new float[] {1, Float.NaN, -0f, 4, 5, 6}, 2, 3));
        tensors.put("empty", HostTensor.ofFloats(new float[0], 0, 5));
        tensors.put("scalar", HostTensor.ofInts(new int[] {7}));
        Path first = directory.resolve("first.safetensors");
        Path second = directory.resolve("second.safetensors");
        SafetensorsWriter.write(first, tensors, Map.of("b", "2", "a", "1"));
        try (SafetensorsFile file = SafetensorsFile.open(first)) {
            assertThat(file.tensor("f").toFloatArray()).containsExactly(1, Float.NaN, -0f, 4, 5, 6);
            assertThat(file.tensor("scalar").shape().rank()).isZero();
            assertThat(file.tensor("f").dtype()).isEqualTo(DType.F32);
            assertThat(file.metadata()).containsEntry("a", "1");
            SequencedMap<String, HostTensor> copy = new LinkedHashMap<>();
            file.names().forEach(name -> copy.put(name, file.tensor(name)));
            SafetensorsWriter.write(second, copy, file.metadata());
        }
        assertThat(second).hasSameBinaryContentAs(first);
    }

    /** Damage anywhere gives a file that reads, or an InputException: nothing else. */
    @ParameterizedTest
    @ValueSource(longs = {1, 2, 3, 4})
    void fuzz(long seed) throws Exception {
        SequencedMap<String, HostTensor> tensors = new LinkedHashMap<>();
        tensors.put("a", HostTensor.ofFloats(new float[] {1, 2, 3, 4}, 2, 2));
        tensors.put("b", HostTensor.ofInts(new int[] {1, 2}, 2));
        Path path = directory.resolve("good.safetensors");
        SafetensorsWriter.write(path, tensors, Map.of("k", "v"));
        byte[] good = Files.readAllBytes(path);
        Random random = new Random(seed);
        int refused = 0;
        for (int i = 0; i < 1000; i++) {
            byte[] bytes = mutated(good, random);
            Path file = write(bytes);
            try (SafetensorsFile opened = SafetensorsFile.open(file)) {
                opened.names().forEach(name -> opened.tensor(name).data().byteSize());
            } catch (InputException e) {
                refused++;
            }
        }
        assertThat(refused).isPositive();
    }

    static byte[] mutated(byte[] good, Random random) {
        byte[] bytes = random.nextInt(4) == 0 ? Arrays.copyOf(good, random.nextInt(good.length + 40)) : good.clone();
        for (int k = random.nextInt(4); k >= 0 && bytes.length > 0; k--) {
            bytes[random.nextInt(bytes.length)] = (byte) random.nextInt(256);
        }
        return bytes;
    }
}
