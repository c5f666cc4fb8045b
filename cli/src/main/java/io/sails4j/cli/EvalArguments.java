package io.sails4j.cli;

import io.sails4j.InputException;
import io.sails4j.eval.EvalArm;
import io.sails4j.eval.PromptFile;
import io.sails4j.hub.HubCache;
import io.sails4j.lora.WeightedAdapter;
import io.sails4j.model.ModelOptions;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.stream.Stream;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;

/** What is evaluated, and with what. */
final class EvalArguments {
    @Mixin
    private ModelArguments model;

    @Option(names = "--arm", paramLabel = "NAME=DIR[=WEIGHT][,DIR…]",
        description = "something else to evaluate beside the model: NAME for files and tables, and an adapter of the model, several that"
            + " are summed, or another model; repeat for more")
    private List<String> arms = new ArrayList<>();

    @Mixin
    private WeightArguments weights;

    @Mixin
    private PromptArguments prompts;

    /**
     * The model alone, called base; it with the adapters of {@code --adapter}, called adapter; and what {@code --arm} names, in this order.
     */
    List<EvalArm> arms() {
        List<EvalArm> all = new ArrayList<>();
        all.add(new EvalArm(EvalArm.BASE, model.model(), List.of()));
        if (!model.adapters().isEmpty()) {
            all.add(new EvalArm("adapter", model.model(), model.adapters()));
        }
        for (String arm : arms) {
            int equals = arm.indexOf('=');
            if (equals < 1) {
                throw new InputException("--arm is '" + arm + "', expected NAME=DIR, NAME=DIR=WEIGHT or NAME=DIR,DIR");
            }
            all.add(arm(arm.substring(0, equals), arm.substring(equals + 1)));
        }
        return all;
    }

    private EvalArm arm(String name, String text) {
        HubCache cache = HubCache.ofSystem();
        List<WeightedAdapter> given = Stream.of(text.split(",")).map(WeightedAdapter::parse)
            .map(asked -> new WeightedAdapter(cache.locate(asked.directory()), asked.weight())).toList();
        Path first = given.getFirst().directory();
        if (Files.exists(first.resolve("config.json")) && !Files.exists(first.resolve("adapter_config.json"))) {
            if (given.size() > 1 || given.getFirst().weight() != 1) {
                throw new InputException("--arm " + name + " names the model " + first
                    + " and more; expected one model without a weight, or adapters of --model");
            }
            return new EvalArm(name, first, List.of());
        }
        return new EvalArm(name, model.model(), given);
    }

    /** How every model is loaded. */
    ModelOptions modelOptions(CommonOptions common) {
        return weights.model(common);
    }

    /** Whether there is something to answer. */
    boolean asksPrompts() {
        return prompts.given();
    }

    /** All files of prompts, with what each was taken for on standard error. */
    List<PromptFile> announcedPrompts(CommonOptions common) {
        return prompts.announced(common);
    }
}
