package io.sails4j.io;

import com.fasterxml.jackson.databind.JsonNode;
import io.sails4j.InputException;
import io.sails4j.files.ForeignFile;
import io.sails4j.files.JsonFiles;
import io.sails4j.tensor.HostTensor;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.LinkOption;
import java.nio.file.Path;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;

/** The tensors of a checkpoint directory: {@code model.safetensors}, or the shards that {@code model.safetensors.index.json} lists. */
public final class ShardedTensors implements AutoCloseable {
    private static final String SINGLE = "model.safetensors";
    private static final String CONVERT = "convert it to safetensors (in Python: save_pretrained(..., safe_serialization=True))";
    private static final String INDEX = "model.safetensors.index.json";

    private final Map<String, SafetensorsFile> files = new LinkedHashMap<>();
    private final Map<String, SafetensorsFile> fileOf = new LinkedHashMap<>();

    private @Nullable Path index;

    private ShardedTensors() {
    }

    /**
     * Opens a checkpoint's directory: one safetensors file, or shards with their index.
     *
     * @throws InputException where there is none, or one that cannot be read
     */
    public static ShardedTensors open(Path directory) {
        ShardedTensors tensors = new ShardedTensors();
        try {
            if (Files.exists(directory.resolve(SINGLE), LinkOption.NOFOLLOW_LINKS)) {
                tensors.openSingle(directory.resolve(SINGLE));
            } else if (Files.exists(directory.resolve(INDEX))) {
                tensors.openShards(directory, directory.resolve(INDEX));
            } else {
                throw nothingToOpen(directory);
            }
            return tensors;
        } catch (RuntimeException e) {
            tensors.close();
            throw e;
        }
    }

    private void openSingle(Path path) {
        SafetensorsFile file = SafetensorsFile.open(path);
        files.put(SINGLE, file);
        file.names().forEach(name -> fileOf.put(name, file));
    }

    private void openShards(Path directory, Path index) {
        this.index = index;
        JsonNode map = JsonFiles.read(index).get("weight_map");
        if (map == null || !map.isObject()) {
            throw new InputException(index + " lacks the object 'weight_map' from tensor names to shards");
        }
        for (Map.Entry<String, JsonNode> entry : map.properties()) {
            SafetensorsFile shard = shard(directory, index, entry.getKey(), entry.getValue());
            if (!shard.contains(entry.getKey())) {
                throw new InputException(index + " says that '" + entry.getKey() + "' is in " + shard.path() + ", but it is not there");
            }
            fileOf.put(entry.getKey(), shard);
        }
        requireEachOnce(index);
    }

    private SafetensorsFile shard(Path directory, Path index, String tensor, JsonNode value) {
        String name = value.isTextual() ? value.textValue() : "";
        if (name.isEmpty() || name.contains("/") || name.contains("\\") || name.equals("..") || name.indexOf('\0') >= 0) {
            throw new InputException(
                index + ": the shard of '" + tensor + "' is " + value + ", expected a plain file name beside the index");
        }
        SafetensorsFile open = files.get(name);
        if (open == null) {
            if (Files.notExists(directory.resolve(name), LinkOption.NOFOLLOW_LINKS)) {
                throw new InputException(index + " lists a shard that is missing: "
                    + ForeignFile.missing(directory.resolve(name), null).getMessage());
            }
            open = SafetensorsFile.open(directory.resolve(name));
            files.put(name, open);
        }
        return open;
    }

    private void requireEachOnce(Path index) {
        for (SafetensorsFile file : files.values()) {
            for (String name : file.names()) {
                SafetensorsFile listed = fileOf.get(name);
                if (listed == null) {
                    throw new InputException(file.path() + " holds '" + name + "', which " + index + " does not list");
                }
                if (listed != file) {
                    throw new InputException("tensor '" + name + "' is in two shards, " + listed.path() + " and " + file.path());
                }
            }
        }
    }

    private static InputException nothingToOpen(Path directory) {
        if (!Files.isDirectory(directory)) {
            return new InputException(directory + (Files.exists(directory) ? " is not a directory" : " does not exist")
                + "; expected a Hugging Face model directory");
        }
        List<Path> files;
        try (Stream<Path> entries = Files.list(directory)) {
            files = entries.sorted().toList();
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
        for (Path file : files) {
            String name = file.getFileName().toString();
            if (isPickle(name)) {
                return pickleRefused(file);
            }
            if (name.equals("pytorch_model.bin.index.json")) {
                return new InputException(file + " lists shards that are Python pickles, which are refused; " + CONVERT);
            }
            if (name.endsWith(".gguf")) {
                return new InputException(
                    file + " is a GGUF file of llama.cpp, which is not read here; use the safetensors that it was made"
                        + " from");
            }
            if (name.endsWith(".safetensors") && !name.startsWith("adapter_")) {
                return new InputException(directory + " has " + name + ", but neither " + SINGLE + " nor " + INDEX + ", which lists the"
                    + " shards; fetch the file that is missing, or call a single file " + SINGLE);
            }
        }
        return new InputException(directory + " has neither " + SINGLE + " nor " + INDEX + ForeignFile.unfinishedIn(directory)
            .map(begun -> "; the download of " + begun + " has not ended, end it first").orElse(""));
    }

    /** Whether a file name is that of a Python pickle, which runs code when it is read. */
    public static boolean isPickle(String fileName) {
        return fileName.matches(".*\\.(bin|pt|pth|ckpt|pkl|pickle)");
    }

    /** The answer to a file of pickled weights. */
    public static InputException pickleRefused(Path file) {
        return new InputException(file + " is a Python pickle, which can run any code when it is read, and is refused; " + CONVERT);
    }

    /** The tensors' names. */
    public Set<String> names() {
        return Collections.unmodifiableSet(fileOf.keySet());
    }

    /** Whether a tensor is called so. */
    public boolean contains(String name) {
        return fileOf.containsKey(name);
    }

    /**
     * A tensor, mapped from its file.
     *
     * @throws InputException where none is called so
     */
    public HostTensor tensor(String name) {
        return file(name).tensor(name);
    }

    /** The files that hold the tensors by their names in the directory: one, or the shards as the index first names them. */
    public Map<String, SafetensorsFile> files() {
        return Collections.unmodifiableMap(files);
    }

    /** The index that lists the shards, or null where one file holds everything. */
    public @Nullable Path index() {
        return index;
    }

    /** The file that holds the tensor, for messages. */
    public Path fileOf(String name) {
        return file(name).path();
    }

    private SafetensorsFile file(String name) {
        SafetensorsFile file = fileOf.get(name);
        if (file == null) {
            throw new InputException("the checkpoint has no tensor '" + name + "'");
        }
        return file;
    }

    @Override
    public void close() {
        files.values().forEach(SafetensorsFile::close);
    }
}
