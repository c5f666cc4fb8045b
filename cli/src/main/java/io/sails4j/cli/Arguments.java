package io.sails4j.cli;

import io.sails4j.InputException;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.charset.CharacterCodingException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.stream.IntStream;
import org.jspecify.annotations.Nullable;

/**
 * The command line as it was typed. Java decodes it in the locale's encoding ({@code sun.jnu.encoding}) before it starts: in the C locale
 * all but ASCII is gone by then, in Latin-1 UTF-8 is read as something else. The system still has the bytes.
 */
final class Arguments {
    private static final Path COMMAND_LINE = Path.of("/proc/self/cmdline");

    private Arguments() {
    }

    /**
     * Refuses what did not arrive as UTF-8.
     *
     * @throws InputException where an argument is not what was typed
     */
    static void requireIntact(String... arguments) {
        byte @Nullable [] commandLine;
        try {
            commandLine = Files.readAllBytes(COMMAND_LINE);
        } catch (IOException e) {
            commandLine = null;
        }
        compare(commandLine, System.getProperty("sun.jnu.encoding", "unknown"), arguments);
    }

    /** @param commandLine each argument of the process, ended by 0; null where the system does not tell */
    static void compare(byte @Nullable [] commandLine, String encoding, String... arguments) {
        List<byte[]> typed = commandLine == null ? List.of() : split(commandLine);
        int first = typed.size() - arguments.length;
        boolean known = first >= 0 && IntStream.range(0, arguments.length).allMatch(i -> couldBe(typed.get(first + i), arguments[i]));
        for (int i = 0; i < arguments.length; i++) {
            if (!known) {
                if (arguments[i].indexOf('\ufffd') >= 0) {
                    throw new InputException("argument " + (i + 1) + " ('" + arguments[i] + "') arrived damaged: "
                        + advice(encoding));
                }
                continue;
            }
            String meant = utf8(typed.get(first + i));
            if (meant == null) {
                throw new InputException("argument " + (i + 1) + " ('" + arguments[i]
                    + "') is not UTF-8, expected text in UTF-8: convert it, or set the terminal to UTF-8");
            }
            if (!meant.equals(arguments[i])) {
                throw new InputException("argument " + (i + 1) + " ('" + meant + "') reached Java as '" + arguments[i] + "': "
                    + advice(encoding));
            }
        }
    }

    /** ASCII arrives as it is in every encoding: where it differs, this is the command line of another program in the same process. */
    private static boolean couldBe(byte[] typed, String argument) {
        for (byte b : typed) {
            if (b < 0) {
                return true;
            }
        }
        return argument.equals(new String(typed, StandardCharsets.US_ASCII));
    }

    private static String advice(String encoding) {
        return "the locale's encoding is " + encoding + ", expected UTF-8; set LC_ALL=C.UTF-8 before Java starts (the launcher does)";
    }

    private static List<byte[]> split(byte[] commandLine) {
        List<byte[]> parts = new ArrayList<>();
        int start = 0;
        for (int i = 0; i < commandLine.length; i++) {
            if (commandLine[i] == 0) {
                parts.add(Arrays.copyOfRange(commandLine, start, i));
                start = i + 1;
            }
        }
        return parts;
    }

    private static @Nullable String utf8(byte[] bytes) {
        try {
            return StandardCharsets.UTF_8.newDecoder().decode(ByteBuffer.wrap(bytes)).toString();
        } catch (CharacterCodingException e) {
            return null;
        }
    }
}
