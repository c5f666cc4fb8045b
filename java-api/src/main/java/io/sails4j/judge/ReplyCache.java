package io.sails4j.judge;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import com.fasterxml.jackson.databind.node.ObjectNode;
import io.sails4j.InputException;
import io.sails4j.files.AtomicFiles;
import io.sails4j.files.JsonFiles;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.HashMap;
import java.util.Map;
import java.util.Optional;
import java.util.function.Consumer;
import org.jspecify.annotations.Nullable;

/**
 * Servers' replies by the hash of what was asked. A file of lines that only grows, each written in one piece: what a killed run has got is
 * there, and runs may share it.
 */
final class ReplyCache implements AutoCloseable {
    private static final String FILE = "replies.jsonl";

    private final Map<String, ChatReply> replies = new HashMap<>();
    private final @Nullable Path file;
    private final @Nullable FileChannel channel;

    /**
     * @param directory null = nothing is kept beyond this object
     * @param notes gets a sentence on what cannot be read
     */
    ReplyCache(@Nullable Path directory, Consumer<String> notes) {
        this.file = directory == null ? null : directory.resolve(FILE);
        if (file == null) {
            this.channel = null;
            return;
        }
        try {
            Files.createDirectories(directory);
            boolean torn = read(file, notes);
            this.channel = FileChannel.open(file, StandardOpenOption.CREATE, StandardOpenOption.APPEND);
            if (torn) {
                AtomicFiles.writeFully(channel, ByteBuffer.wrap(new byte[] {'\n'}));
            }
        } catch (IOException e) {
            throw new InputException("cache " + directory + " cannot be used: " + e + "; name a directory that can be written", e);
        }
    }

    /** Whether the last line has no end. */
    private boolean read(Path from, Consumer<String> notes) throws IOException {
        if (Files.notExists(from)) {
            return false;
        }
        String text = new String(Files.readAllBytes(from), StandardCharsets.UTF_8);
        int bad = 0;
        for (String line : text.lines().toList()) {
            if (!line.isBlank() && !take(line)) {
                bad++;
            }
        }
        if (bad > 0) {
            notes.accept(from + ": " + bad + " of " + text.lines().count()
                + " lines are no replies (a run was stopped while it wrote); what they held is asked again");
        }
        return !text.isEmpty() && !text.endsWith("\n");
    }

    private boolean take(String line) {
        JsonNode json;
        try {
            json = JsonFiles.parse(line, FILE);
        } catch (InputException e) {
            return false;
        }
        JsonNode key = json.path("key");
        if (!key.isTextual() || !json.path("finish_reason").isTextual()) {
            return false;
        }
        replies.putIfAbsent(key.textValue(),
            new ChatReply(json.path("content").textValue(), json.path("refusal").textValue(), json.get("finish_reason").textValue()));
        return true;
    }

    synchronized Optional<ChatReply> get(String key) {
        return Optional.ofNullable(replies.get(key));
    }

    /** Keeps a reply; the first one for a key stays. */
    synchronized void put(String key, ChatReply reply) {
        if (replies.putIfAbsent(key, reply) != null || channel == null) {
            return;
        }
        ObjectNode line = JsonNodeFactory.instance.objectNode().put("key", key).put("content", reply.content())
            .put("refusal", reply.refusal()).put("finish_reason", reply.finishReason());
        try {
            AtomicFiles.writeFully(channel, ByteBuffer.wrap((line + "\n").getBytes(StandardCharsets.UTF_8)));
        } catch (IOException e) {
            throw new UncheckedIOException("cannot write " + file + ": " + e, e);
        }
    }

    @Override
    public synchronized void close() {
        try {
            if (channel != null) {
                channel.close();
            }
        } catch (IOException e) {
            throw new UncheckedIOException("cannot close " + file + ": " + e, e);
        }
    }
}
