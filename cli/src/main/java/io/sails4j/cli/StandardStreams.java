package io.sails4j.cli;

import java.io.FileDescriptor;
import java.io.FileOutputStream;
import java.io.IOException;
import java.io.OutputStream;
import java.io.OutputStreamWriter;
import java.io.PrintStream;
import java.io.PrintWriter;
import java.nio.charset.StandardCharsets;
import org.jspecify.annotations.Nullable;

/**
 * Standard output and error in UTF-8, whatever the locale, and what went wrong when they were written: print writers keep that to
 * themselves.
 */
final class StandardStreams {
    private final Remembering output = new Remembering(new FileOutputStream(FileDescriptor.out));
    private final PrintWriter out = new PrintWriter(new OutputStreamWriter(output, StandardCharsets.UTF_8));
    private final PrintWriter err = new PrintWriter(
        new OutputStreamWriter(new FileOutputStream(FileDescriptor.err), StandardCharsets.UTF_8), true);

    PrintWriter out() {
        return out;
    }

    PrintWriter err() {
        return err;
    }

    /** Takes the place of {@link System#out} and {@link System#err} too. */
    void install() {
        System.setOut(new PrintStream(output, true, StandardCharsets.UTF_8));
        System.setErr(new PrintStream(new FileOutputStream(FileDescriptor.err), true, StandardCharsets.UTF_8));
    }

    /** The exit code of a command that ended with {@code code}: a result that nobody received is a failure. */
    int finish(int code, int failed) {
        out.flush();
        IOException failure = output.failure;
        if (failure != null) {
            err.println("sails: standard output cannot be written (" + failure.getMessage() + "); what was printed is incomplete");
        }
        err.flush();
        return failure != null && code == 0 ? failed : code;
    }

    /** Knows the first failure. */
    private static final class Remembering extends OutputStream {
        private final OutputStream to;
        private volatile @Nullable IOException failure;

        private Remembering(OutputStream to) {
            this.to = to;
        }

        @Override
        public void write(int b) throws IOException {
            write(new byte[] {(byte) b}, 0, 1);
        }

        @Override
        public void write(byte[] bytes, int offset, int length) throws IOException {
            try {
                to.write(bytes, offset, length);
            } catch (IOException e) {
                if (failure == null) {
                    failure = e;
                }
                throw e;
            }
        }
    }
}
