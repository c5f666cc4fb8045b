package io.sails4j.ffi;

import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.net.URL;
import java.net.URLConnection;
import java.nio.charset.StandardCharsets;
import java.nio.file.AtomicMoveNotSupportedException;
import java.nio.file.DirectoryNotEmptyException;
import java.nio.file.FileAlreadyExistsException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.security.DigestInputStream;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.HexFormat;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.stream.Stream;

/**
 * Libraries copied out of a jar, because the loader needs files: {@code <root>/<sha256>/}, where the hash covers the library and the
 * sizes of what it needs beside it. A directory appears under its name only when complete, so it is never found half-written.
 */
record LibraryCache(Path root) {
    /** What a backend library loads from its own directory. */
    private static final List<String> COMPANIONS = List.of("libsails_onednn.so", "libdnnl.so.3", "libgomp.so.1");

    /** The file of the library in the cache, copied there with its companions if it is not there yet. */
    Path extract(String file, URL library) throws IOException {
        Map<String, URL> contents = new LinkedHashMap<>();
        contents.put(file, library);
        for (String companion : COMPANIONS) {
            URL resource = NativeLibrary.class.getResource(NativeLibrary.RESOURCE_DIRECTORY + companion);
            if (resource != null) {
                contents.put(companion, resource);
            }
        }
        return extract(file, contents);
    }

    Path extract(String file, Map<String, URL> contents) throws IOException {
        Path directory = root.resolve(key(file, contents));
        if (!complete(directory, contents)) {
            write(directory, contents);
        }
        return directory.resolve(file).toRealPath();
    }

    private static String key(String file, Map<String, URL> contents) throws IOException {
        MessageDigest digest;
        try {
            digest = MessageDigest.getInstance("SHA-256");
        } catch (NoSuchAlgorithmException e) {
            throw new IllegalStateException("every Java has SHA-256", e);
        }
        for (Map.Entry<String, URL> entry : contents.entrySet()) {
            if (entry.getKey().equals(file)) {
                try (InputStream in = new DigestInputStream(entry.getValue().openStream(), digest)) {
                    in.transferTo(OutputStream.nullOutputStream());
                }
            } else {
                digest.update((entry.getKey() + ":" + size(entry.getValue())).getBytes(StandardCharsets.UTF_8));
            }
        }
        return HexFormat.of().formatHex(digest.digest());
    }

    private static boolean complete(Path directory, Map<String, URL> contents) throws IOException {
        for (Map.Entry<String, URL> entry : contents.entrySet()) {
            Path path = directory.resolve(entry.getKey());
            if (!Files.isRegularFile(path) || Files.size(path) != size(entry.getValue())) {
                return false;
            }
        }
        return true;
    }

    private static long size(URL resource) throws IOException {
        URLConnection connection = resource.openConnection();
        connection.setUseCaches(false);
        // A jar connection keeps its file open until a stream was opened and closed.
        connection.getInputStream().close();
        return connection.getContentLengthLong();
    }

    private void write(Path directory, Map<String, URL> contents) throws IOException {
        Files.createDirectories(root);
        Path temporary = Files.createTempDirectory(root, "extracting-");
        try {
            for (Map.Entry<String, URL> entry : contents.entrySet()) {
                try (InputStream in = entry.getValue().openStream()) {
                    Files.copy(in, temporary.resolve(entry.getKey()));
                }
            }
            deleteTree(directory);
            Files.move(temporary, directory, StandardCopyOption.ATOMIC_MOVE);
        } catch (FileAlreadyExistsException | DirectoryNotEmptyException | AtomicMoveNotSupportedException e) {
            // Another process was faster; what it wrote under this hash is the same.
            if (!complete(directory, contents)) {
                throw e;
            }
        } finally {
            deleteTree(temporary);
        }
    }

    private static void deleteTree(Path directory) throws IOException {
        if (!Files.isDirectory(directory)) {
            return;
        }
        try (Stream<Path> files = Files.list(directory)) {
            for (Path file : files.toList()) {
                Files.deleteIfExists(file);
            }
        }
        Files.deleteIfExists(directory);
    }
}
