package io.sails4j.cli;

import com.fasterxml.jackson.databind.node.ObjectNode;
import io.sails4j.InputException;
import io.sails4j.data.ChatTemplate;
import io.sails4j.data.Message;
import io.sails4j.data.Tokenizer;
import io.sails4j.model.CausalModel;
import io.sails4j.model.GenerationOptions;
import io.sails4j.model.Generator;
import io.sails4j.model.ModelSession;
import io.sails4j.ops.Engine;
import io.sails4j.ops.Graphs;
import java.nio.file.Files;
import java.util.Arrays;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Locale;
import java.util.Set;
import java.util.concurrent.Callable;
import java.util.stream.Collectors;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.ArgGroup;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;

@Command(name = "generate", description = "Generate text with a model and its adapters.")
final class GenerateCommand implements Callable<Integer> {
    @Mixin
    private CommonOptions common;

    @Mixin
    private ModelArguments arguments;

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

    /** What to continue: exactly one of these. */
    static final class Prompt {
        @Option(names = "--prompt", paramLabel = "TEXT", description = "continue this text")
        private @Nullable String text;

        @Option(names = "--chat", paramLabel = "TEXT", description = "answer this message by the chat template")
        private @Nullable String chat;

        @Option(names = "--tokens", paramLabel = "ID,...", split = ",", description = "continue these token ids (no tokenizer is needed)")
        private @Nullable List<Integer> tokens;
    }

    @Override
    public Integer call() {
        GenerationOptions check = new GenerationOptions(maxNewTokens, temperature, topK, topP, common.seed(), Set.of(), graphUse());
        try (Engine engine = common.openEngine(); CausalModel model = arguments.load(engine, common);
             ModelSession session = ModelSession.open(model);
             ModelArguments.Opened adapters = arguments.openAdapters(model.config(), engine, common)) {
            List<Integer> ids = prompt.tokens;
            if (ids != null && !Files.exists(arguments.model().resolve("tokenizer.json"))) {
                print(new Generator(session, adapters.stack()), model, null, check, ids.stream().mapToInt(i -> i).toArray());
                return 0;
            }
            try (Tokenizer tokenizer = Tokenizer.load(arguments.model())) {
                print(new Generator(session, adapters.stack()), model, tokenizer, check, promptIds(tokenizer));
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

    private int[] promptIds(Tokenizer tokenizer) {
        if (prompt.tokens != null) {
            return prompt.tokens.stream().mapToInt(i -> i).toArray();
        }
        if (prompt.text != null) {
            return tokenizer.encodeWithBos(prompt.text);
        }
        String chat = String.valueOf(prompt.chat);
        if (chat.isBlank()) {
            throw new InputException("--chat is empty, expected a message");
        }
        return new ChatTemplate(tokenizer).prompt(List.of(new Message("user", chat)));
    }

    private void print(Generator generator, CausalModel model, @Nullable Tokenizer tokenizer, GenerationOptions o, int[] ids) {
        Set<Integer> stop = new LinkedHashSet<>();
        if (!ignoreEos) {
            stop.addAll(model.config().eosIds());
            if (tokenizer != null) {
                Arrays.stream(tokenizer.stopIds()).forEach(stop::add);
            }
        }
        long start = System.nanoTime();
        int[] fresh;
        try (ProgressBar bar = common.progress("generate")) {
            long[] done = {0};
            fresh = generator.generate(ids,
                new GenerationOptions(o.maxNewTokens(), o.temperature(), o.topK(), o.topP(), o.seed(), stop, o.graphs()),
                Generator.StepListener.ofTokens(chosen -> bar.update(++done[0], maxNewTokens, done[0])));
        }
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
        if (common.json()) {
            common.printText(json + "\n");
        } else {
            common.printText(text + "\n");
        }
        common.message(String.format(Locale.ROOT, "%d tokens after a prompt of %d, %.1f tokens/s", fresh.length, ids.length,
            fresh.length / seconds));
    }
}
