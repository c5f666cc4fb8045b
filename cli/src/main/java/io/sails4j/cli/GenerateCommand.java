package io.sails4j.cli;

import com.fasterxml.jackson.databind.node.ObjectNode;
import io.sails4j.InputException;
import io.sails4j.data.ChatTemplate;
import io.sails4j.data.Conversation;
import io.sails4j.data.Message;
import io.sails4j.data.StopTokens;
import io.sails4j.data.Tokenizer;
import io.sails4j.model.AdapterStack;
import io.sails4j.model.CausalModel;
import io.sails4j.model.GenerationOptions;
import io.sails4j.model.ModelSession;
import io.sails4j.model.StreamEdit;
import io.sails4j.monitor.Monitor;
import io.sails4j.monitor.MonitorSpec;
import io.sails4j.ops.Engine;
import io.sails4j.ops.Graphs;
import io.sails4j.steer.FeatureWatch;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Locale;
import java.util.Set;
import java.util.concurrent.Callable;
import java.util.stream.Collectors;
import java.util.stream.IntStream;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.ArgGroup;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.Spec;

@Command(name = "generate", description = "Generate text with a model and its adapters.")
final class GenerateCommand implements Callable<Integer> {
    @Spec
    private CommandSpec command;

    @Mixin
    private CommonOptions common;

    @Mixin
    private ModelArguments arguments;

    @Mixin
    private WeightArguments weights;

    @Mixin
    private SteerArguments steering;

    @Mixin
    private MonitorArguments monitoring;

    @ArgGroup(multiplicity = "1")
    private Prompt prompt;

    @Option(names = "--max-new-tokens", defaultValue = "128", paramLabel = "N", description = "default: ${DEFAULT-VALUE}")
    private int maxNewTokens;

    @Option(names = "--temperature", defaultValue = "0", paramLabel = "T", description = "0 = greedy (default)")
    private double temperature;

    @Option(names = "--top-k", defaultValue = "0", paramLabel = "K", description = "sample from the K largest logits, 0 = all (default)")
    private int topK;

    @Option(names = "--top-p", defaultValue = "1", paramLabel = "P",
        description = "sample from the smallest set with this probability, 1 = all (default)")
    private double topP;

    @Option(names = "--ignore-eos", description = "do not stop at the end tokens")
    private boolean ignoreEos;

    @Option(names = "--graphs", defaultValue = "auto", paramLabel = "auto|on|off",
        description = "record a step once and launch it for each token (default: where the backend can)")
    private String graphs;

    @Option(names = "--system", paramLabel = "TEXT", description = "system turn before --chat or --messages, where the template knows one")
    private @Nullable String system;

    @Option(names = "--template", defaultValue = ChatTemplate.CHECKPOINT, paramLabel = "FILE|gemma2|llama3|checkpoint",
        description = "chat template: a Jinja file, one of a family, or the checkpoint's (default; its family's where it has none)")
    private String templateChoice;

    /** What to continue: exactly one of these. */
    static final class Prompt {
        @Option(names = "--prompt", paramLabel = "TEXT", description = "continue this text")
        private @Nullable String text;

        @Option(names = "--chat", paramLabel = "TEXT", description = "answer this message by the chat template")
        private @Nullable String chat;

        @Option(names = "--messages", paramLabel = "FILE",
            description = "answer this conversation: JSON, [{\"role\": \"user\", \"content\": \"...\"}, ...]")
        private @Nullable Path messages;

        @Option(names = "--tokens", paramLabel = "ID,...", split = ",", description = "continue these token ids (no tokenizer is needed)")
        private @Nullable List<Integer> tokens;
    }

    @Override
    public Integer call() {
        GenerationOptions check = new GenerationOptions(maxNewTokens, temperature, topK, topP, common.seed(), Set.of(), graphUse());
        if (temperature == 0) {
            OptionFlags.requireNone(command, List.of("--top-k", "--top-p"),
                "nothing is drawn at temperature 0: leave it out, or set --temperature");
        }
        if (!isChat()) {
            OptionFlags.requireNone(command, List.of("--template"), "it is about a conversation: use it with --chat or --messages");
        }
        MonitorSpec spec = monitoring.spec(common);
        SteerArguments.Asked asked = steering.asked(common, spec != null);
        try (Engine engine = common.openEngine(); CausalModel model = arguments.load(engine, weights.model(common));
             ModelSession session = ModelSession.open(model);
             ModelArguments.Opened adapters = arguments.openAdapters(model.config(), engine, common);
             SaeArguments.Opened saes = asked.open(engine); Monitor monitor = MonitorArguments.open(spec, model, saes.saes())) {
            StreamEdit edit = asked.edit(model.config(), saes.saes());
            Writer writer = new Writer(new WatchedGeneration(session, adapters.stack(), edit, monitor), session, adapters.stack(), edit,
                asked.watch(model.config(), saes.saes()));
            List<Integer> ids = prompt.tokens;
            if (ids != null && !Files.exists(arguments.model().resolve("tokenizer.json"))) {
                print(writer, stops(model, null), null, check, ids.stream().mapToInt(i -> i).toArray());
                return 0;
            }
            try (Tokenizer tokenizer = Tokenizer.load(arguments.model())) {
                ChatTemplate template = isChat() ? new ChatTemplate(tokenizer, templateChoice) : null;
                print(writer, stops(model, template), tokenizer, check, promptIds(tokenizer, template));
            }
        }
        return 0;
    }

    private Graphs graphUse() {
        if (!graphs.matches("auto|on|off")) {
            throw new InputException("--graphs is '" + graphs + "'; expected auto, on or off");
        }
        return Graphs.valueOf(graphs.toUpperCase(Locale.ROOT));
    }

    private boolean isChat() {
        boolean chat = prompt.chat != null || prompt.messages != null;
        if (!chat && system != null) {
            throw new InputException("--system belongs to a conversation: use it with --chat or --messages");
        }
        return chat;
    }

    private int[] promptIds(Tokenizer tokenizer, @Nullable ChatTemplate template) {
        if (prompt.tokens != null) {
            return prompt.tokens.stream().mapToInt(i -> i).toArray();
        }
        if (template == null) {
            return tokenizer.encodeWithBos(String.valueOf(prompt.text));
        }
        List<Message> turns = new ArrayList<>();
        if (system != null) {
            turns.add(new Message("system", system));
        }
        if (prompt.messages != null) {
            turns.addAll(Conversation.read(prompt.messages));
        } else {
            turns.add(new Message("user", String.valueOf(prompt.chat)));
        }
        if (turns.getLast().content().isBlank()) {
            throw new InputException("the last message is empty, expected a text to answer");
        }
        return template.prompt(turns);
    }

    private Set<Integer> stops(CausalModel model, @Nullable ChatTemplate template) {
        return ignoreEos ? Set.of() : StopTokens.of(arguments.model(), model.config(), template);
    }

    /** Who generates, and who reads features of what was generated. */
    private record Writer(WatchedGeneration generation, ModelSession session, AdapterStack adapters, @Nullable StreamEdit edit,
        @Nullable FeatureWatch watch) {
        float @Nullable [][] activations(int[] prompt, int[] fresh) {
            return watch == null ? null : watch.activations(session, adapters, edit,
                IntStream.concat(Arrays.stream(prompt), Arrays.stream(fresh)).toArray());
        }
    }

    private void print(Writer generator, Set<Integer> stop, @Nullable Tokenizer tokenizer, GenerationOptions o, int[] ids) {
        long start = System.nanoTime();
        WatchedGeneration.Written written;
        try (ProgressBar bar = common.progress("generate")) {
            long[] done = {0};
            written = generator.generation.generate(ids,
                new GenerationOptions(o.maxNewTokens(), o.temperature(), o.topK(), o.topP(), o.seed(), stop, o.graphs()),
                () -> bar.update(++done[0], maxNewTokens, done[0]));
        }
        int[] fresh = written.tokens();
        double seconds = (System.nanoTime() - start) * 1e-9;
        ObjectNode json = CommonOptions.object();
        Arrays.stream(ids).forEach(json.putArray("prompt_ids")::add);
        Arrays.stream(fresh).forEach(json.putArray("new_ids")::add);
        json.put("tokens_per_s", fresh.length / seconds);
        String text = tokenizer == null ? Arrays.stream(fresh).mapToObj(String::valueOf).collect(Collectors.joining(","))
            : tokenizer.decode(fresh, true);
        if (tokenizer != null) {
            json.put("text", text);
        }
        float[][] activations = generator.activations(ids, fresh);
        FeatureWatch watch = generator.watch;
        if (common.json()) {
            if (watch != null && activations != null) {
                SteerArguments.write(watch, activations, ids.length, json);
            }
            if (written.events() != null) {
                MonitorArguments.write(written.events(), written.stopped(), json);
            }
            common.printText(json + "\n");
        } else {
            common.printText(text + "\n" + (watch == null || activations == null ? ""
                : "\n" + SteerArguments.table(watch, activations, ids.length, fresh, tokenizer)) + events(written));
        }
        common.message(String.format(Locale.ROOT, "%d tokens after a prompt of %d, %.1f tokens/s", fresh.length, ids.length,
            fresh.length / seconds));
    }

    private static String events(WatchedGeneration.Written written) {
        if (written.events() == null) {
            return "";
        }
        StringBuilder text = new StringBuilder("\n");
        written.events().forEach(event -> text.append("monitor: ").append(event.sentence()).append('\n'));
        return text.append(written.events().isEmpty() ? "monitor: no rule raised an alarm\n"
            : written.stopped() ? "monitor: the answer was ended there\n" : "").toString();
    }
}
