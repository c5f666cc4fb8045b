package io.sails4j.cli;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.PrintWriter;
import java.io.StringWriter;
import java.util.Arrays;
import java.util.List;
import picocli.CommandLine;

/** A command line that was run in this process: its exit code and what it printed. */
record CommandRun(int code, String out, String err) {
    static CommandRun of(Object... args) {
        StringWriter out = new StringWriter();
        StringWriter err = new StringWriter();
        String[] words = Arrays.stream(args).map(String::valueOf).toArray(String[]::new);
        CommandLine command = Main.commandLine(words).setOut(new PrintWriter(out)).setErr(new PrintWriter(err));
        TerminalLoggers.printTo(command.getErr());
        int code = command.execute(words);
        return new CommandRun(code, out.toString(), err.toString());
    }

    /** Exit code 2 and one line that begins with {@code sails:} and holds the parts; nothing on standard output. */
    void requireWrong(String... parts) {
        assertThat(code).as(err).isEqualTo(2);
        List<String> lines = err.lines().filter(l -> !l.startsWith("backend:") && !l.matches("(data|completions):.*")).toList();
        assertThat(lines).hasSize(1);
        assertThat(lines.getFirst()).startsWith("sails: ").contains(parts);
        assertThat(out).isEmpty();
    }
}
