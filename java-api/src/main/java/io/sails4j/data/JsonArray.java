package io.sails4j.data;

import com.fasterxml.jackson.core.JsonParser;
import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.core.JsonToken;
import com.fasterxml.jackson.databind.JsonNode;
import io.sails4j.InputException;
import io.sails4j.files.JsonFiles;
import java.io.FilterInputStream;
import java.io.IOException;
import java.io.InputStream;
import java.nio.file.Path;

/** Reads the entries of one JSON array, one after another. */
final class JsonArray {
    private final Path path;
    private final Bounded in;
    private long done;

    JsonArray(Path path, InputStream in) {
        this.path = path;
        this.in = new Bounded(in);
    }

    /** Counts what is read for one entry. */
    private final class Bounded extends FilterInputStream {
        private long read;

        Bounded(InputStream in) {
            super(in);
        }

        @Override
        public int read() throws IOException {
            int b = super.read();
            count(b < 0 ? 0 : 1);
            return b;
        }

        @Override
        public int read(byte[] bytes, int from, int length) throws IOException {
            int n = super.read(bytes, from, length);
            count(n);
            return n;
        }

        private void count(int n) {
            read += Math.max(n, 0);
            if (read > DataJson.MAX_RECORD_BYTES) {
                throw new InputException(path + " entry " + (done + 1) + " is longer than " + DataJson.MAX_RECORD_BYTES + " bytes");
            }
        }
    }

    /** Entries that were read to their end. */
    long done() {
        return done;
    }

    void forEach(RecordSink sink) throws IOException {
        try (JsonParser parser = DataJson.parser(in)) {
            parser.nextToken();
            while (parser.nextToken() != JsonToken.END_ARRAY) {
                JsonNode value = DataJson.value(parser);
                done++;
                in.read = 0;
                sink.accept(value, done);
            }
            if (parser.nextToken() != null) {
                throw new InputException(path + " goes on behind its JSON array, expected one array or one JSON object a line");
            }
        } catch (JsonProcessingException e) {
            throw new InputException(path + " is not valid JSON after entry " + done + ": " + JsonFiles.reasonAndPlace(e), e);
        }
    }
}
