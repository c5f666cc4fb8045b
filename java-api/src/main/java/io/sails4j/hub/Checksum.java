package io.sails4j.hub;

import java.io.IOException;
import java.io.InputStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.HexFormat;
import java.util.regex.Pattern;

/** The checksums that the hub gives its files as ETags. */
final class Checksum {
    /** SHA-256 of the content, or SHA-1 of {@code "blob SIZE\0"} and the content, as {@code git hash-object} has it. */
    private static final Pattern KNOWN = Pattern.compile("[0-9a-f]{64}|[0-9a-f]{40}");
    private static final int SHA256_DIGITS = 64;

    private Checksum() {
    }

    static boolean isKnown(String etag) {
        return KNOWN.matcher(etag).matches();
    }

    /** The file's checksum of the kind that the ETag is. */
    static String like(String etag, Path file) throws IOException {
        boolean sha256 = etag.length() == SHA256_DIGITS;
        MessageDigest digest = digest(sha256 ? "SHA-256" : "SHA-1");
        if (!sha256) {
            digest.update(("blob " + Files.size(file) + "\0").getBytes(StandardCharsets.US_ASCII));
        }
        byte[] buffer = new byte[1 << 20];
        try (InputStream in = Files.newInputStream(file)) {
            for (int n = in.read(buffer); n >= 0; n = in.read(buffer)) {
                digest.update(buffer, 0, n);
            }
        }
        return HexFormat.of().formatHex(digest.digest());
    }

    private static MessageDigest digest(String algorithm) {
        try {
            return MessageDigest.getInstance(algorithm);
        } catch (NoSuchAlgorithmException e) {
            throw new IllegalStateException("every Java platform has SHA-256 and SHA-1", e);
        }
    }
}
