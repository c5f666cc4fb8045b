package io.sails4j.cli;

import io.sails4j.InputException;
import io.sails4j.NativeException;
import io.sails4j.data.DataOptions;
import io.sails4j.options.Options;
import io.sails4j.subspace.SubspaceOptions;
import io.sails4j.train.TrainingException;
import io.sails4j.utility.UtilityOptions;
import java.io.IOException;
import java.io.PrintWriter;
import java.io.UncheckedIOException;
import java.nio.file.FileSystemException;
import java.nio.file.InvalidPathException;
import java.util.Arrays;
import java.util.List;
import java.util.Locale;
import java.util.Objects;
import java.util.Optional;
import java.util.Set;
import java.util.stream.Collectors;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine;
import picocli.CommandLine.Command;
import picocli.CommandLine.ScopeType;

/**
 * The {@code sails} command. Exit codes: 0 done, 2 the input or the options are wrong, 1 it failed while working.
 */
@Command(
    name = "sails",
    mixinStandardHelpOptions = true,
    versionProvider = BuildInfo.Provider.class,
    scope = ScopeType.INHERIT,
    description = "Safety alignment of Gemma-2 and Llama-3 in an interpretable low-rank subspace: SAE features -> safety subspace -> LoRA.",
    exitCodeListHeading = "Exit codes:%n",
    exitCodeList = {"0:done", "1:it failed while working", "2:the input or the options are wrong"})
public final class Main {
    private static final int FAILED = 1;
    private static final int WRONG_INPUT = 2;

    /** The commands in the order of the help. */
    private enum Name {
        INSPECT, GENERATE, MONITOR, SERVE, TRACE, ENCODE, SAE, SUBSPACE, ALIGN, ATTACK, EXPLAIN, EVAL, JUDGE, REPORT, MERGE,
        QUANTIZE, DOWNLOAD, INIT, SELFTEST, BENCH, DEMO, WORLD, STUDY, RECOVERY;

        /** Typed by the user. */
        String word() {
            return name().toLowerCase(Locale.ROOT);
        }

        static Optional<Name> of(String word) {
            return Arrays.stream(values()).filter(name -> name.word().equals(word)).findFirst();
        }

        /** Looked at only where it is asked for: reading the options of all commands takes longer than many a command. */
        Class<?> command() {
            return switch (this) {
                case INSPECT -> InspectCommand.class;
                case GENERATE -> GenerateCommand.class;
                case MONITOR -> MonitorCommand.class;
                case SERVE -> ServeCommand.class;
                case TRACE -> TraceCommand.class;
                case ENCODE -> EncodeCommand.class;
                case SAE -> SaeCommand.class;
                case SUBSPACE -> SubspaceCommand.class;
                case ALIGN -> AlignCommand.class;
                case ATTACK -> AttackCommand.class;
                case EXPLAIN -> ExplainCommand.class;
                case EVAL -> EvalCommand.class;
                case JUDGE -> JudgeCommand.class;
                case REPORT -> ReportCommand.class;
                case MERGE -> MergeCommand.class;
                case QUANTIZE -> QuantizeCommand.class;
                case DOWNLOAD -> DownloadCommand.class;
                case INIT -> InitCommand.class;
                case SELFTEST -> SelftestCommand.class;
                case BENCH -> BenchCommand.class;
                case DEMO -> DemoCommand.class;
                case WORLD -> WorldCommand.class;
                case STUDY -> StudyCommand.class;
                case RECOVERY -> RecoveryCommand.class;
            };
        }
    }

    private Main() {
    }

    public static void main(String[] args) {
        StandardStreams streams = new StandardStreams();
        streams.install();
        CommandLine sails = commandLine(args).setOut(streams.out()).setErr(streams.err());
        int code;
        try {
            Arguments.requireIntact(args);
            code = execute(sails, args);
        } catch (InputException e) {
            code = failed(e, sails);
        }
        System.exit(streams.finish(code, FAILED));
    }

    /** Runs one command line and returns its exit code; what {@code main} does without leaving the JVM. */
    public static int run(String... args) {
        return execute(commandLine(args), args);
    }

    /** Runs one command line; nothing but its exit code comes out of it, whatever happens. */
    static int execute(CommandLine sails, String... args) {
        TerminalLoggers.printTo(sails.getErr());
        try {
            return sails.execute(args);
        } catch (OutOfMemoryError | StackOverflowError e) {
            return exhausted(e, sails);
        }
    }

    /** Java's own memory was not enough. That is no fault of the program: what sizes the work is among the options and in the files. */
    private static int exhausted(VirtualMachineError e, CommandLine sails) {
        PrintWriter err = sails.getErr();
        err.println("sails: " + (e instanceof StackOverflowError
            ? "something is nested too deeply for Java's stack; look into the file that was"
                + " read last"
            : "Java's own memory of " + (Runtime.getRuntime().maxMemory() >> 20) + " MiB is full: lower what sizes the work"
                + " (lengths, batches, ranks, widths, numbers of samples), use less data at once, or give Java more"
                + " (SAILS_JAVA_OPTS=-Xmx16g, say)"));
        err.flush();
        return FAILED;
    }

    /** What an exception of a thread or a future hides. */
    private static @Nullable VirtualMachineError exhaustion(Throwable thrown) {
        for (Throwable at = thrown; at != null; at = at.getCause()) {
            if (at instanceof OutOfMemoryError || at instanceof StackOverflowError) {
                return (VirtualMachineError) at;
            }
        }
        return null;
    }

    /** With all commands and all their options. */
    static CommandLine commandLine() {
        List<Name> all = List.of(Name.values());
        return commandLine(all, all);
    }

    /** With the command that is asked for; where none is, with all, of which then only names and descriptions are needed. */
    static CommandLine commandLine(String... args) {
        String first = args.length == 0 ? "" : args[0];
        Optional<Name> asked = Name.of(first);
        if (asked.isPresent()) {
            return commandLine(List.of(asked.get()), List.of(asked.get()));
        }
        return commandLine(first.equals("--version") || first.equals("-V") ? List.of() : List.of(Name.values()), List.of());
    }

    /** @param withOptions those commands that get the options of the library's records */
    private static CommandLine commandLine(List<Name> names, List<Name> withOptions) {
        CommandLine sails = new CommandLine(new Main());
        names.forEach(name -> sails.addSubcommand(name.command()));
        withOptions.forEach(name -> addOptions(name, of(sails, name.word())));
        return sails
            .setCaseInsensitiveEnumValuesAllowed(true)
            .setUsageHelpWidth(110)
            // A prompt may begin with '@'.
            .setExpandAtFiles(false)
            .setParameterExceptionHandler(Main::wrongOptions)
            .setExecutionExceptionHandler(Main::failed);
    }

    private static void addOptions(Name name, CommandLine command) {
        switch (name) {
            case ALIGN -> add(command, AllOptions.defaults());
            case SUBSPACE -> add(command, List.of(DataOptions.defaults(), SubspaceOptions.defaults()));
            case EXPLAIN -> add(command, AllOptions.ofExplain());
            case EVAL -> add(command, AllOptions.ofEval());
            case SERVE -> add(command, AllOptions.ofServe());
            case MONITOR -> add(of(command, "calibrate"), AllOptions.ofMonitor());
            case SAE -> AllOptions.ofSae().forEach((kind, records) -> add(of(command, kind), records));
            case ATTACK -> {
                // An attack measures refusals; how useful a model is does not change with it.
                Set<String> ofUtility = Options.of(UtilityOptions.defaults()).stream().map(Options.Entry::name).collect(Collectors.toSet());
                AllOptions.ofAttacks().forEach((kind, records) -> OptionFlags.addTo(of(command, kind).getCommandSpec(), ofUtility,
                    records.toArray(Record[]::new)));
            }
            default -> {
                // It has its own options alone.
            }
        }
    }

    private static void add(CommandLine command, List<Record> records) {
        OptionFlags.addTo(command.getCommandSpec(), records.toArray(Record[]::new));
    }

    private static CommandLine of(CommandLine command, String name) {
        return Objects.requireNonNull(command.getSubcommands().get(name));
    }

    private static int wrongOptions(CommandLine.ParameterException e, String[] args) {
        String sentence = e.getMessage();
        if (e instanceof CommandLine.UnmatchedArgumentException unmatched) {
            if (e.getCommandLine().getParent() == null && !unmatched.isUnknownOption()) {
                sentence = "there is no command '" + unmatched.getUnmatched().getFirst() + "'";
            }
            List<String> alike = unmatched.getSuggestions();
            sentence += alike.isEmpty() ? "" : " (did you mean " + String.join(" or ", alike) + "?)";
        }
        return wrongOptions(sentence, e.getCommandLine());
    }

    /** What a library says of the options that it is opened with: of --backend-options, which it knows alone. */
    private static boolean isOptionOfBackend(NativeException e) {
        return e.function().equals("sails_device_open") && e.code() == NativeException.INVALID_ARGUMENT;
    }

    private static int wrongOptions(@Nullable String sentence, CommandLine command) {
        PrintWriter err = command.getErr();
        err.println("sails: " + oneLine(sentence) + "; see `" + command.getCommandSpec().qualifiedName() + " --help`");
        err.flush();
        return WRONG_INPUT;
    }

    private static int failed(Exception e, CommandLine command, CommandLine.ParseResult parsed) {
        return failed(e, command);
    }

    private static int failed(Exception e, CommandLine command) {
        PrintWriter err = command.getErr();
        VirtualMachineError exhausted = e instanceof InputException ? null : exhaustion(e);
        if (exhausted != null) {
            return exhausted(exhausted, command);
        }
        int code = switch (e) {
            case InputException wrong -> {
                err.println("sails: " + OptionFlags.inSentence(oneLine(wrong.getMessage())));
                yield WRONG_INPUT;
            }
            case NativeException wrong when isOptionOfBackend(wrong) -> wrongOptions(wrong.text(), command);
            case NativeException broken -> {
                err.println("sails: " + oneLine(broken.getMessage()) + (broken.code() == NativeException.OUT_OF_MEMORY
                    ? "; lower what sizes the work: lengths, batches, ranks, widths, numbers of samples" : ""));
                yield FAILED;
            }
            case TrainingException diverged -> {
                err.println("sails: " + OptionFlags.inSentence(oneLine(diverged.getMessage())));
                yield FAILED;
            }
            case InvalidPathException path -> {
                err.println("sails: '" + path.getInput() + "' cannot be a path here (" + path.getReason() + "); the locale's encoding is "
                    + System.getProperty("sun.jnu.encoding") + ", LC_ALL=C.UTF-8 before Java starts allows all names");
                yield WRONG_INPUT;
            }
            case UncheckedIOException io -> ioFailed(io, err);
            case IOException io -> ioFailed(io, err);
            default -> {
                // Not foreseen, so a stack trace is what a report of it needs.
                err.println("sails: unexpected failure, please report it:");
                e.printStackTrace(err);
                yield FAILED;
            }
        };
        err.flush();
        return code;
    }

    /** The outer message where it says more than the exception below, which names a file at most. */
    private static int ioFailed(UncheckedIOException e, PrintWriter err) {
        IOException cause = Objects.requireNonNull(e.getCause());
        if (e.getMessage() != null && !e.getMessage().equals(cause.toString())) {
            err.println("sails: " + OptionFlags.inSentence(oneLine(e.getMessage())));
            return FAILED;
        }
        return ioFailed(cause, err);
    }

    private static int ioFailed(IOException e, PrintWriter err) {
        String reason = e instanceof FileSystemException file && file.getReason() == null
            ? e.getClass().getSimpleName().replace("Exception", "") + ": " + file.getFile()
            : e.getMessage();
        err.println("sails: " + oneLine(reason));
        return FAILED;
    }

    private static String oneLine(@Nullable String text) {
        return text == null ? "no message" : text.replaceAll("\\s*\\R\\s*", " ");
    }
}
