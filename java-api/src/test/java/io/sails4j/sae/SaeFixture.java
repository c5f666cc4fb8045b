package io.sails4j.sae;

import io.sails4j.io.SafetensorsWriter;
import io.sails4j.tensor.HostTensor;
import io.sails4j.tensor.Shape;
import java.io.IOException;
import java.io.OutputStream;
import java.io.UncheckedIOException;
import java.lang.foreign.ValueLayout;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.Random;
import java.util.SequencedMap;
import java.util.zip.CRC32;
import java.util.zip.ZipEntry;
import java.util.zip.ZipOutputStream;

/** Small random SAEs, and their files as SAELens and Gemma Scope write them. */
public final class SaeFixture {
    final int dIn;
    final int dSae;
    final SequencedMap<String, HostTensor> arrays = new LinkedHashMap<>();
    /** Extra fields of cfg.json, each with its comma. */
    String config = "";

    public SaeFixture(int dIn, int dSae, long seed, String... perFeature) {
        this.dIn = dIn;
        this.dSae = dSae;
        Random random = new Random(seed);
        arrays.put("W_enc", HostTensor.ofFloats(draw(random, dIn * dSae), dIn, dSae));
        arrays.put("W_dec", HostTensor.ofFloats(draw(random, dIn * dSae), dSae, dIn));
        arrays.put("b_dec", HostTensor.ofFloats(draw(random, dIn), dIn));
        for (String name : perFeature) {
            arrays.put(name, HostTensor.ofFloats(draw(random, dSae), dSae));
        }
    }

    public static SaeFixture jumprelu(int dIn, int dSae) {
        return new SaeFixture(dIn, dSae, 7, "b_enc", "threshold").with("\"architecture\": \"jumprelu\",");
    }

    static float[] draw(Random random, int n) {
        float[] values = new float[n];
        for (int i = 0; i < n; i++) {
            values[i] = (float) random.nextGaussian();
        }
        return values;
    }

    public SaeFixture with(String fields) {
        config += fields;
        return this;
    }

    public SaeFixture with(String name, float[] values, long... dims) {
        arrays.put(name, HostTensor.ofFloats(values, dims));
        return this;
    }

    public float[] array(String name) {
        return arrays.get(name).toFloatArray();
    }

    public Path saeLens(Path directory) {
        try {
            Files.createDirectories(directory);
            SafetensorsWriter.write(directory.resolve("sae_weights.safetensors"), arrays, Map.of());
            Files.writeString(directory.resolve("cfg.json"), "{" + config + "\"d_in\": " + dIn + ", \"d_sae\": " + dSae + "}");
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
        return directory;
    }

    Path gemmaScope(Path directory) {
        Path file = directory.resolve("params.npz");
        try (OutputStream out = Files.newOutputStream(file); ZipOutputStream zip = new ZipOutputStream(out)) {
            for (Map.Entry<String, HostTensor> named : arrays.entrySet()) {
                byte[] npy = npy(named.getValue());
                CRC32 crc = new CRC32();
                crc.update(npy);
                ZipEntry entry = new ZipEntry(named.getKey() + ".npy");
                entry.setMethod(ZipEntry.STORED);
                entry.setSize(npy.length);
                entry.setCrc(crc.getValue());
                zip.putNextEntry(entry);
                zip.write(npy);
                zip.closeEntry();
            }
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
        return file;
    }

    private static byte[] npy(HostTensor array) {
        Shape shape = array.shape();
        String dims = shape.rank() == 1 ? shape.dim(0) + "," : shape.dim(0) + ", " + shape.dim(1);
        String header = "{'descr': '<f4', 'fortran_order': False, 'shape': (" + dims + "), }";
        header += " ".repeat(64 - (10 + header.length() + 1) % 64) + "\n";
        byte[] data = array.data().toArray(ValueLayout.JAVA_BYTE);
        byte[] out = new byte[10 + header.length() + data.length];
        byte[] magic = {(byte) 0x93, 'N', 'U', 'M', 'P', 'Y', 1, 0, (byte) header.length(), (byte) (header.length() >> 8)};
        System.arraycopy(magic, 0, out, 0, magic.length);
        System.arraycopy(header.getBytes(StandardCharsets.US_ASCII), 0, out, 10, header.length());
        System.arraycopy(data, 0, out, 10 + header.length(), data.length);
        return out;
    }
}
