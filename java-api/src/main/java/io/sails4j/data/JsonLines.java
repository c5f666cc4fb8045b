package io.sails4j.data;

import io.sails4j.InputException;
import io.sails4j.files.JsonFiles;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.InputStream;
import java.nio.ByteBuffer;
import java.nio.charset.CharacterCodingException;
import java.nio.charset.CodingErrorAction;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import org.jspecify.annotations.Nullable;

/** Reads one JSON value a line; blank lines are passed over. */
final class JsonLines {
    private final Path path;
    private final InputStream in;
    private long done;

    JsonLines(Path path, InputStream in) {
        this.path = path;
        this.in = in;
    }

    /** Lines that were read to their end. */
    long done() {
        return done;
    }

    void forEach(RecordSink sink) throws IOException {
        for (String text = readLine(); text != null; text = readLine()) {
            done++;
            String content = done == 1 ? JsonFiles.withoutMark(text) : text;
            if (!content.isBlank()) {
                sink.accept(DataJson.parse(content, path + " line " + done), done);
            }
        }
    }

    /**
     * The next line without its end ({@code \n} or {@code \r\n}), null at the end of the file. Decoded line by line, because a reader
     * decodes ahead and would name a line before the malformed one.
     */
    private @Nullable String readLine() throws IOException {
        ByteArrayOutputStream bytes = new ByteArrayOutputStream();
        int b = in.read();
        if (b < 0) {
            return null;
        }
        for (; b >= 0 && b != '\n'; b = in.read()) {
            if (bytes.size() == DataJson.MAX_RECORD_BYTES) {
                throw new InputException(path + " line " + (done + 1) + " is longer than " + DataJson.MAX_RECORD_BYTES
                    + " bytes; expected one JSON object a line");
            }
            bytes.write(b);
        }
        try {
            String text = StandardCharsets.UTF_8.newDecoder().onMalformedInput(CodingErrorAction.REPORT)
                .onUnmappableCharacter(CodingErrorAction.REPORT).decode(ByteBuffer.wrap(bytes.toByteArray())).toString();
            return text.endsWith("\r") ? text.substring(0, text.length() - 1) : text;
        } catch (CharacterCodingException e) {
            throw new InputException(path + " line " + (done + 1) + " is not valid UTF-8; convert the file (iconv -t UTF-8)", e);
        }
    }
}
