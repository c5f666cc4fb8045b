package io.sails4j.data;

import com.hubspot.jinjava.Jinjava;
import com.hubspot.jinjava.JinjavaConfig;
import com.hubspot.jinjava.LegacyOverrides;
import com.hubspot.jinjava.el.JinjavaInterpreterResolver;
import com.hubspot.jinjava.el.JinjavaProcessors;
import com.hubspot.jinjava.interpret.Context;
import com.hubspot.jinjava.interpret.JinjavaInterpreter;
import com.hubspot.jinjava.interpret.RenderResult;
import com.hubspot.jinjava.interpret.TemplateError;
import com.hubspot.jinjava.lib.exptest.ExpTest;
import com.hubspot.jinjava.lib.filter.Filter;
import com.hubspot.jinjava.lib.fn.ELFunctionDefinition;
import io.sails4j.InputException;
import java.io.IOException;
import java.lang.management.ManagementFactory;
import java.lang.management.ThreadMXBean;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.function.UnaryOperator;
import org.jspecify.annotations.Nullable;

/**
 * A chat template in Jinja, rendered by Jinjava as transformers renders it. It comes with a checkpoint from anywhere, so it runs in bounds:
 * it sees the conversation and nothing else, calls the methods of {@link PythonMethods}, loads no other template, and ends after a number
 * of steps, a time and a length of output.
 */
final class JinjaTemplate {
    private static final int MAX_SOURCE = 1 << 20;
    private static final int MAX_OUTPUT = 16 << 20;
    private static final int MAX_RANGE = 1000;
    private static final int MAX_STEPS = 200_000;
    /** Of the processor: a busy machine makes no template endless. */
    private static final long MAX_NANOS = 5_000_000_000L;
    /** By the clock, for virtual threads, which do not know what they used. */
    private static final long MAX_WAITED_NANOS = 12 * MAX_NANOS;

    /** Those that do to texts, lists and mappings what Jinja's do; the engine has many more, of its own or by other rules. */
    private static final Set<String> FILTERS = Set.of("trim", "tojson", "items", "string", "first", "last", "length", "count", "upper",
        "lower", "title", "capitalize", "join", "replace", "default", "d", "list", "map", "select", "selectattr", "reject", "rejectattr",
        "int", "float", "safe", "reverse", "unique", "sort", "min", "max", "sum");

    private static final ThreadMXBean THREADS = ManagementFactory.getThreadMXBean();
    private static final ThreadLocal<@Nullable Bounds> RUNNING = new ThreadLocal<>();
    private static final Jinjava ENGINE = engine();

    private final String where;
    private final String source;

    /**
     * A template that was not tried yet.
     *
     * @param where for messages: the file, or the name of one that comes with this library
     */
    JinjaTemplate(String where, String source) {
        this.where = where;
        if (source.length() > MAX_SOURCE) {
            throw new InputException(where + ": the chat template has " + source.length() + " characters, expected at most " + MAX_SOURCE);
        }
        try {
            JinjaSource.Settled settled = JinjaSource.settle(source);
            // The engine passes over names that it does not know.
            Context known = ENGINE.getGlobalContext();
            settled.filters().forEach(name -> requireKnown(FILTERS.contains(name) ? known.getFilter(name) : null, "filter", name));
            settled.tests().forEach(name -> requireKnown(known.getExpTest(name), "test", name));
            this.source = settled.text();
        } catch (InputException e) {
            throw new InputException(where + ": the chat template is broken: " + e.getMessage(), e);
        }
    }

    private static void requireKnown(@Nullable Object found, String kind, String name) {
        if (found == null) {
            throw new InputException("there is no " + kind + " '" + name + "'");
        }
    }

    /** What is left of the bounds of one rendering, and what the template itself refused. */
    private static final class Bounds {
        private final boolean knowsTime = !Thread.currentThread().isVirtual() && THREADS.isCurrentThreadCpuTimeSupported();
        private final long begin = now();
        private int steps;
        private @Nullable String refusal;
        private @Nullable String excess;

        void step() {
            if (++steps > MAX_STEPS || now() - begin > (knowsTime ? MAX_NANOS : MAX_WAITED_NANOS)) {
                excess = "it does not end after " + steps + " steps";
                throw new IllegalStateException(excess);
            }
        }

        private long now() {
            return knowsTime ? THREADS.getCurrentThreadCpuTime() : System.nanoTime();
        }
    }

    private static Jinjava engine() {
        JinjavaConfig config = JinjavaConfig.newBuilder().withKeepTrailingNewline(true).withMaxOutputSize(MAX_OUTPUT)
            .withMaxStringLength(MAX_OUTPUT).withRangeLimit(MAX_RANGE).withMaxRenderDepth(8).withMaxMacroRecursionDepth(8)
            .withNestedInterpretationEnabled(false).withFailOnUnknownTokens(false)
            .withDisabled(Map.of(Context.Library.TAG, Set.of("include", "import", "from", "extends", "block", "do", "call")))
            .withElResolver(new PythonMethods(JinjavaInterpreterResolver.DEFAULT_RESOLVER_READ_ONLY))
            .withProcessors(JinjavaProcessors.newBuilder().withNodePreProcessor((node, interpreter) -> {
                Bounds bounds = RUNNING.get();
                if (bounds != null) {
                    bounds.step();
                }
            }).build())
            .withLegacyOverrides(LegacyOverrides.newBuilder().withUsePyishObjectMapper(true).withIterateOverMapKeys(true)
                .withParseWhitespaceControlStrictly(true).build())
            .build();
        Jinjava engine = new Jinjava(config);
        engine.setResourceLocator((name, encoding, interpreter) -> {
            throw new IOException("a chat template cannot load '" + name + "'");
        });
        engine.registerFunction(new ELFunctionDefinition("", "raise_exception", JinjaTemplate.class, "refuse", String.class));
        engine.registerFunction(new ELFunctionDefinition("", "range", JinjaTemplate.class, "range", Object[].class));
        engine.registerFilter(new OfText("trim", PythonText::strip));
        engine.registerFilter(new OfText("string", text -> text));
        engine.registerFilter(new End("first"));
        engine.registerFilter(new End("last"));
        engine.registerFilter(new Items());
        engine.getGlobalContext().registerExpTest(new Iterates("iterable"));
        engine.getGlobalContext().registerExpTest(new Iterates("sequence"));
        engine.registerFilter(new ToJson());
        return engine;
    }

    /** {@code range} of Python, which the engine cuts off in silence. Public for the engine. */
    public static List<Long> range(Object... bounds) {
        long[] numbers = Arrays.stream(bounds).mapToLong(b -> ((Number) b).longValue()).toArray();
        long begin = numbers.length > 1 ? numbers[0] : 0;
        long end = numbers.length > 1 ? numbers[1] : numbers[0];
        long by = numbers.length > 2 ? numbers[2] : 1;
        List<Long> values = new ArrayList<>();
        for (long i = begin; by > 0 ? i < end : i > end; i += by) {
            if (by == 0 || values.size() == MAX_RANGE) {
                throw new IllegalStateException("a range has more than " + MAX_RANGE + " numbers");
            }
            values.add(i);
        }
        return values;
    }

    /** {@code json.dumps(value, ensure_ascii=False, indent=...)}, as transformers defines the filter. */
    private static final class ToJson implements Filter {
        @Override
        public String getName() {
            return "tojson";
        }

        @Override
        public Object filter(@Nullable Object value, JinjavaInterpreter interpreter, String... arguments) {
            return PythonJson.dumps(value, "");
        }

        @Override
        public Object filter(@Nullable Object value, JinjavaInterpreter interpreter, Object[] arguments, Map<String, Object> named) {
            Object indent = arguments.length > 0 ? arguments[0] : named.get("indent");
            return PythonJson.dumps(value, indent instanceof Number n ? " ".repeat(Math.clamp(n.intValue(), 0, 16)) : "");
        }
    }

    /** The pairs of a mapping, in order. */
    private static final class Items implements Filter {
        @Override
        public String getName() {
            return "items";
        }

        @Override
        public Object filter(@Nullable Object value, JinjavaInterpreter interpreter, String... arguments) {
            return value instanceof Map<?, ?> map ? PythonMethods.items(map) : List.of();
        }
    }

    /** {@code raise_exception} of a template. Public for the engine. */
    public static String refuse(String sentence) {
        Bounds bounds = RUNNING.get();
        if (bounds != null && bounds.refusal == null) {
            bounds.refusal = sentence;
        }
        throw new IllegalStateException(sentence);
    }

    /** A filter of texts; what is not defined is the empty one. */
    private record OfText(String getName, UnaryOperator<String> change) implements Filter {
        @Override
        public Object filter(@Nullable Object value, JinjavaInterpreter interpreter, String... arguments) {
            return value == null ? "" : change.apply(String.valueOf(value));
        }
    }

    /** The first or last of a list, or of a text's characters. */
    private record End(String getName) implements Filter {
        @Override
        public @Nullable Object filter(@Nullable Object value, JinjavaInterpreter interpreter, String... arguments) {
            boolean first = getName.equals("first");
            return switch (value) {
                case null -> null;
                case CharSequence text -> PythonMethods.character(text.toString(), first ? 0 : -1);
                case List<?> list -> list.isEmpty() ? null : first ? list.getFirst() : list.getLast();
                default -> throw new IllegalStateException("the filter '" + getName + "' takes a list or a text");
            };
        }
    }

    /** Whether a {@code for} can go through it: Python's texts and mappings too. */
    private record Iterates(String getName) implements ExpTest {
        @Override
        public boolean evaluate(@Nullable Object value, JinjavaInterpreter interpreter, Object... arguments) {
            return value instanceof CharSequence || value instanceof Iterable<?> || value instanceof Map<?, ?> || value instanceof Object[];
        }
    }

    /**
     * The text of a conversation.
     *
     * @param opening whether the model's turn is opened at the end ({@code add_generation_prompt})
     * @throws InputException where the template refuses the conversation, cannot be rendered or leaves its bounds
     */
    String render(List<Message> messages, boolean opening, String bos, String eos) {
        List<Map<String, String>> turns = new ArrayList<>();
        for (Message message : messages) {
            Map<String, String> turn = new LinkedHashMap<>();
            turn.put("role", message.role());
            turn.put("content", message.content());
            turns.add(turn);
        }
        Map<String, Object> values = Map.of("messages", turns, "add_generation_prompt", opening, "bos_token", bos, "eos_token", eos);
        Bounds bounds = new Bounds();
        RUNNING.set(bounds);
        try {
            RenderResult result = ENGINE.renderForResult(source, values);
            if (bounds.refusal != null) {
                throw new InputException(where + ": the chat template refuses the conversation: " + bounds.refusal);
            }
            if (bounds.excess != null) {
                throw new InputException(where + ": the chat template cannot be rendered: " + bounds.excess);
            }
            for (TemplateError error : result.getErrors()) {
                throw new InputException(where + ": the chat template cannot be rendered: " + error.getMessage());
            }
            return result.getOutput();
        } catch (InputException e) {
            throw e;
        } catch (RuntimeException | StackOverflowError e) {
            throw new InputException(where + ": the chat template cannot be rendered: " + e.getMessage(), e);
        } finally {
            RUNNING.remove();
        }
    }

    /** For messages: the file, or the name of one that comes with this library. */
    String where() {
        return where;
    }
}
