package io.sails4j.cli;

import java.io.PrintWriter;
import java.text.MessageFormat;
import java.util.ResourceBundle;
import java.util.concurrent.atomic.AtomicReference;
import org.jspecify.annotations.Nullable;

/**
 * The library's loggers in this program: each message is a sentence on standard error, with flags for the options that it names. Not by
 * java.util.logging, whose handlers are closed when the JVM begins to end: a run that was asked to stop has still something to say then.
 */
public final class TerminalLoggers extends System.LoggerFinder {
    private static final AtomicReference<@Nullable PrintWriter> TERMINAL = new AtomicReference<>();

    /** For the service loader. */
    public TerminalLoggers() {
    }

    /** Where sentences go from now on. */
    static void printTo(PrintWriter terminal) {
        TERMINAL.set(terminal);
    }

    @Override
    public System.Logger getLogger(String name, Module module) {
        return new Terminal(name);
    }

    /** What concerns the library is told; what concerns others, where it is a warning at least. */
    private record Terminal(String name) implements System.Logger {
        @Override
        public String getName() {
            return name;
        }

        @Override
        public boolean isLoggable(Level level) {
            Level least = name.startsWith("io.sails4j") ? Level.INFO : Level.WARNING;
            return level != Level.OFF && level.getSeverity() >= least.getSeverity();
        }

        @Override
        public void log(Level level, @Nullable ResourceBundle bundle, @Nullable String message, @Nullable Throwable thrown) {
            if (isLoggable(level)) {
                print(String.valueOf(message) + (thrown == null ? "" : ": " + thrown));
            }
        }

        @Override
        public void log(Level level, @Nullable ResourceBundle bundle, @Nullable String format, @Nullable Object @Nullable... parameters) {
            if (isLoggable(level)) {
                print(parameters == null || parameters.length == 0 ? String.valueOf(format)
                    : MessageFormat.format(String.valueOf(format), parameters));
            }
        }

        private static void print(String sentence) {
            PrintWriter terminal = TERMINAL.get();
            String shown = OptionFlags.inSentence(sentence);
            if (terminal == null) {
                System.err.println(shown);
            } else {
                terminal.println(shown);
                terminal.flush();
            }
        }
    }
}
