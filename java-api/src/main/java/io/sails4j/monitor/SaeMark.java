package io.sails4j.monitor;

import io.sails4j.InputException;
import io.sails4j.sae.Sae;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.HexFormat;

/**
 * By what a monitor knows the SAE again that it was made with.
 *
 * @param path where it was then; it may be elsewhere now
 * @param dSae its features
 * @param sha256 of its encoder's columns of the features that rules watch, F32 little endian, feature by feature
 */
public record SaeMark(String path, long dSae, String sha256) {
    static SaeMark of(Sae sae, int[] features) {
        return new SaeMark(sae.path().toString(), sae.config().dSae(), hash(sae, features));
    }

    private static String hash(Sae sae, int[] features) {
        try {
            MessageDigest sha256 = MessageDigest.getInstance("SHA-256");
            for (float[] column : sae.encoderColumns(features)) {
                ByteBuffer bytes = ByteBuffer.allocate(column.length * Float.BYTES).order(ByteOrder.LITTLE_ENDIAN);
                bytes.asFloatBuffer().put(column);
                sha256.update(bytes);
            }
            return HexFormat.of().formatHex(sha256.digest());
        } catch (NoSuchAlgorithmException e) {
            throw new IllegalStateException("every Java has SHA-256", e);
        }
    }

    void require(int layer, Sae sae, int[] features) {
        if (sae.config().dSae() != dSae) {
            throw new InputException("the monitor was made with an SAE of " + dSae + " features at layer " + layer + " (" + path + "), and "
                + sae.path() + " has " + sae.config().dSae() + "; give the SAE that it was made with, or calibrate again");
        }
        if (!hash(sae, features).equals(sha256)) {
            throw new InputException("the monitor was made with another SAE of layer " + layer + " (" + path + ") than " + sae.path()
                + ": the encoders of its features differ; give the SAE that it was made with, or calibrate again");
        }
    }
}
