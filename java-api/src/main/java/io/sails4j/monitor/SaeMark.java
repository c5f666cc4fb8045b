package io.sails4j.monitor;

import io.sails4j.InputException;
import io.sails4j.files.FileHash;
import io.sails4j.sae.Sae;

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
        return FileHash.sha256OfFloats(sae.encoderColumns(features));
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
