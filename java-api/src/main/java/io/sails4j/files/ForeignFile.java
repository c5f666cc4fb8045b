package io.sails4j.files;

import com.fasterxml.jackson.databind.JsonNode;
import io.sails4j.InputException;
import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.nio.file.FileSystemException;
import java.nio.file.Files;
import java.nio.file.LinkOption;
import java.nio.file.Path;
import java.nio.file.attribute.BasicFileAttributes;
import java.util.List;
import java.util.Locale;
import java.util.Optional;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;

/**
 * What lies where weights, a configuration or data should be: a Git LFS pointer, a web page, a server's answer, half a download. Readers
 * ask when they cannot read a file, so that a person hears what the file is and what to run, and not which byte was unexpected.
 */
public final class ForeignFile {
    private static final int LOOK_BYTES = 2048;
    /** The longest thing that a server answers in words. */
    private static final long MAX_ANSWER_BYTES = 4096;
    private static final String AGAIN = "fetch it again (`sails download ORG/NAME` for a repository of the Hugging Face hub)";
    private static final Pattern LFS_SIZE = Pattern.compile("(?m)^size ([0-9]{1,18})$");
    private static final Pattern TITLE = Pattern.compile("(?is)<title[^>]*>(.*?)</title>");
    /** Plain texts that huggingface.co and its mirrors answer with. */
    private static final Pattern ANSWER = Pattern.compile("(?i)(entry not found|repository not found|revision not found|not found"
        + "|invalid username or password|invalid credentials|access to (model|dataset) |unauthorized|forbidden|too many requests"
        + "|internal server error|bad gateway|service unavailable|gateway time-?out|[45][0-9][0-9][ :]).*");
    private static final List<String> UNFINISHED = List.of(".incomplete", ".part", ".partial", ".crdownload", ".aria2", ".download");

    private ForeignFile() {
    }

    /** The refusal, or a better one where the file's name or first bytes tell what it is. */
    public static InputException explained(Path path, InputException refused) {
        return sentence(path).map(sentence -> new InputException(sentence, refused)).orElse(refused);
    }

    /** An error where the file's name or first bytes tell that it is none that is read here. */
    public static void requireOwn(Path path) {
        sentence(path).ifPresent(sentence -> {
            throw new InputException(sentence);
        });
    }

    /** A sentence where the file is none of the kinds that are read here but a known other thing. */
    public static Optional<String> sentence(Path path) {
        if (!Files.isRegularFile(path)) {
            return Optional.empty();
        }
        try {
            return sentence(path, Files.size(path), head(path));
        } catch (IOException e) {
            // Whoever could not read the file says so.
            return Optional.empty();
        }
    }

    private static byte[] head(Path path) throws IOException {
        try (InputStream in = Files.newInputStream(path)) {
            return in.readNBytes(LOOK_BYTES);
        }
    }

    private static Optional<String> sentence(Path path, long size, byte[] head) {
        String name = String.valueOf(path.getFileName());
        String text = JsonFiles.withoutMark(new String(head, StandardCharsets.UTF_8)).strip();
        String lower = text.toLowerCase(Locale.ROOT);
        if (size == 0) {
            return Optional
                .of(path + " is empty: it has 0 bytes, as a download leaves that did not begin or a disk that was full; " + AGAIN);
        }
        if (UNFINISHED.stream().anyMatch(name::endsWith)) {
            return Optional.of(path + " is a download that has not ended, it has " + size + " bytes so far; end it (`sails download`"
                + " goes on where it stopped) and name the file that comes of it");
        }
        if (text.startsWith("version https://git-lfs.github.com/spec/v1")) {
            Matcher bytes = LFS_SIZE.matcher(text);
            return Optional.of(path + " is a Git LFS pointer and not the file of " + (bytes.find() ? bytes.group(1) + " bytes " : "")
                + "that it stands for; run `git lfs pull` in its directory, or " + AGAIN);
        }
        if (lower.startsWith("<!doctype html") || lower.startsWith("<html")) {
            Matcher title = TITLE.matcher(text);
            return Optional.of(path + " is a web page (HTML)" + (title.find() ? " with the title '" + shown(title.group(1)) + "'" : "")
                + ": the download got a page instead of the file, as without a login or from an address with /blob/ instead of /resolve/; "
                + AGAIN);
        }
        if (lower.startsWith("<?xml") || lower.startsWith("<error>")) {
            return Optional.of(path + " is XML, as a server's error is: '" + shown(text) + "'; " + AGAIN);
        }
        if (size <= MAX_ANSWER_BYTES && ANSWER.matcher(text.lines().findFirst().orElse("")).matches()) {
            return Optional.of(path + " is a server's answer and not the file: '" + shown(text) + "'; " + AGAIN);
        }
        if (size <= MAX_ANSWER_BYTES && text.startsWith("{")) {
            return errorIn(text).map(error -> answer(path, error));
        }
        return otherFormat(head).or(() -> packed(name, head)).map(format -> path + " is " + format);
    }

    /** What must be unpacked or converted first. An npz file is a zip archive by design. */
    private static Optional<String> packed(String name, byte[] head) {
        String start = new String(head, 0, Math.min(8, head.length), StandardCharsets.ISO_8859_1);
        String packing = start.startsWith("PK\u0003\u0004") && !name.endsWith(".npz") ? "a zip archive"
            : start.startsWith("BZh") ? "packed by bzip2"
                : start.startsWith("\u00fd7zXZ") ? "packed by xz"
                    : start.startsWith("\u0028\u00b5\u002f\u00fd") ? "packed by zstd" : "";
        if (!packing.isEmpty()) {
            return Optional.of(packing + ", which is not unpacked here; unpack it first");
        }
        return start.startsWith("ARROW1") ? Optional.of("an Arrow file, which is not read here; save it as Parquet or as JSON lines")
            : Optional.empty();
    }

    /** Formats that carry weights too. */
    private static Optional<String> otherFormat(byte[] head) {
        String start = new String(head, 0, Math.min(8, head.length), StandardCharsets.ISO_8859_1);
        if (start.startsWith("GGUF")) {
            return Optional.of("a GGUF file of llama.cpp, which is not read here; use the safetensors that it was made from");
        }
        if (start.startsWith("\u00ff\u00fe") || start.startsWith("\u00fe\u00ff")) {
            return Optional.of("text in UTF-16; save it in UTF-8");
        }
        if (start.startsWith("\u0089HDF\r\n")) {
            return Optional.of("an HDF5 file, which is not read here; convert it to safetensors");
        }
        if (start.matches("(?s)\u0080[\u0002-\u0005].*") || isTorchArchive(head)) {
            return Optional.of("a Python pickle under another name, which can run any code when it is read, and is refused; convert it to"
                + " safetensors (in Python: save_pretrained(..., safe_serialization=True))");
        }
        return Optional.empty();
    }

    /** torch.save writes a zip archive whose first entry is NAME/data.pkl. */
    private static boolean isTorchArchive(byte[] head) {
        String start = new String(head, StandardCharsets.ISO_8859_1);
        return start.startsWith("PK\u0003\u0004") && start.substring(0, Math.min(start.length(), 200)).contains("/data.pkl");
    }

    /** The words of an error that a server answers in JSON: huggingface.co {"error": "..."}, others {"message": ...}, {"detail": ...}. */
    private static Optional<String> errorIn(String json) {
        try {
            return errorIn(JsonFiles.parse(json, ""));
        } catch (InputException e) {
            return Optional.empty();
        }
    }

    /** A small object that has an error's words and nothing of a configuration. */
    private static Optional<String> errorIn(@Nullable JsonNode json) {
        if (json == null || !json.isObject() || json.size() > 4 || json.has("model_type") || json.has("peft_type")) {
            return Optional.empty();
        }
        for (String key : List.of("error", "message", "detail")) {
            JsonNode words = json.get(key);
            if (words != null && words.isTextual()) {
                return Optional.of(words.textValue());
            }
            if (words != null && words.path("message").isTextual()) {
                return Optional.of(words.get("message").textValue());
            }
        }
        return Optional.empty();
    }

    /** Refuses JSON that can be read and is a server's error. */
    static void requireNoError(Path path, JsonNode json) {
        errorIn(json).ifPresent(error -> {
            throw new InputException(answer(path, error));
        });
    }

    private static String answer(Path path, String error) {
        return path + " is a server's answer in JSON and not the file: '" + shown(error) + "'; " + AGAIN;
    }

    /** Foreign words in a sentence: one line, no control characters, not too long. */
    private static String shown(String text) {
        return ShortText.of(text.replaceAll("[\\s\\p{Cntrl}]+", " ").strip(), 120);
    }

    /** A file that ends before what it begins with says. */
    public static InputException cutOff(Path path, String detail) {
        return new InputException(path + " is cut off: " + detail + "; the download or copy did not end, " + AGAIN);
    }

    /** A file that is not there: a link whose target is gone, a download that has not ended, or just none. */
    public static InputException missing(Path path, @Nullable Throwable cause) {
        try {
            if (Files.isSymbolicLink(path)) {
                return new InputException(path + " is a link to " + Files.readSymbolicLink(path)
                    + ", which does not exist; the cache that it lies in was cleaned or not copied whole, " + AGAIN, cause);
            }
        } catch (IOException e) {
            return new InputException(path + " is a link that cannot be read: " + e, e);
        }
        for (String end : UNFINISHED) {
            Path begun = path.resolveSibling(path.getFileName() + end);
            if (Files.exists(begun, LinkOption.NOFOLLOW_LINKS)) {
                return new InputException(path + " does not exist, but " + begun + " does: its download has not ended; end it first",
                    cause);
            }
        }
        return new InputException(path + " does not exist", cause);
    }

    /** A download in a directory that has not ended, where there is one; Hugging Face's tools keep theirs in a directory of their own. */
    public static Optional<Path> unfinishedIn(Path directory) {
        for (Path place : List.of(directory, directory.resolve(".cache/huggingface/download"))) {
            if (!Files.isDirectory(place)) {
                continue;
            }
            try (Stream<Path> list = Files.list(place)) {
                Optional<Path> begun = list.filter(p -> UNFINISHED.stream().anyMatch(p.toString()::endsWith)).filter(Files::isRegularFile)
                    .sorted().findFirst();
                if (begun.isPresent()) {
                    return begun;
                }
            } catch (IOException e) {
                throw new UncheckedIOException(e);
            }
        }
        return Optional.empty();
    }

    /** An error where a path is no regular file: nothing is opened, since a FIFO would block. A missing one is {@link #missing}. */
    public static void requireRegular(Path path) {
        if (Files.isRegularFile(path)) {
            return;
        }
        if (Files.notExists(path)) {
            throw missing(path, null);
        }
        if (Files.exists(path)) {
            throw new InputException(path + " is " + kind(path) + " and not a regular file");
        }
        // Neither there nor not there: the system cannot say.
        try {
            Files.readAttributes(path, BasicFileAttributes.class);
        } catch (IOException e) {
            throw new InputException(
                path + " cannot be looked up: " + (e instanceof FileSystemException failed && failed.getReason() != null
                    ? failed.getReason().toLowerCase(Locale.ROOT) : e.toString()) + "; name a file that can be opened",
                e);
        }
    }

    /** What a path is to the system: a directory, a FIFO, a socket, a device, a regular file. */
    public static String kind(Path path) {
        if (Files.isDirectory(path)) {
            return "a directory";
        }
        if (Files.isRegularFile(path)) {
            return "a regular file";
        }
        try {
            // The file type's bits of stat(2), st_mode.
            return switch ((int) Files.getAttribute(path, "unix:mode") & 0xf000) {
                case 0x1000 -> "a FIFO";
                case 0x2000 -> "a character device";
                case 0x6000 -> "a block device";
                case 0xc000 -> "a socket";
                default -> "something unknown";
            };
        } catch (IOException | UnsupportedOperationException | IllegalArgumentException e) {
            return "something unknown";
        }
    }

    /** Whether a file begins as safetensors do: the length of a header that fits, and a brace. */
    public static boolean looksLikeSafetensors(Path path) {
        if (!Files.isRegularFile(path)) {
            return false;
        }
        try (InputStream in = Files.newInputStream(path)) {
            byte[] start = in.readNBytes(9);
            long length = start.length < 9 ? -1 : Long.reverseBytes(ByteBuffer.wrap(start).getLong());
            return length > 0 && length <= Files.size(path) - 8 && start[8] == '{';
        } catch (IOException e) {
            return false;
        }
    }
}
