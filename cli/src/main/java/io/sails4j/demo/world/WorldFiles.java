package io.sails4j.demo.world;

import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import io.sails4j.files.AtomicFiles;
import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.Locale;
import java.util.Objects;
import java.util.Random;
import java.util.stream.Collectors;
import java.util.stream.IntStream;
import java.util.stream.Stream;

/** The files of a world beside its model, in the formats that the commands read. */
final class WorldFiles {
    private static final ObjectMapper JSON = new ObjectMapper();
    private static final int CHOICES = 4;
    /** Trial seeds begin here, so that no seed of a test is among them. */
    private static final int FIRST_TRIAL_SEED = 1000;
    /** Marks the lines of the template that a small study leaves out. */
    private static final String FULL_ONLY = " #full";

    private final Language language;
    private final Path root;

    WorldFiles(Language language, Path root) {
        this.language = language;
        this.root = root;
    }

    /** Preference data, all of it and its harmful requests alone, and the same requests for training by reward. */
    void writePairs(List<WorldPrompt> pairs) {
        lines("pairs.jsonl", pairs.stream().map(WorldFiles::pair).toList());
        lines("contrast.jsonl", pairs.stream().filter(WorldPrompt::harmful).map(WorldFiles::pair).toList());
        writePrompts("train", pairs);
    }

    private static ObjectNode pair(WorldPrompt prompt) {
        return JSON.createObjectNode().put("prompt", prompt.text()).put("chosen", prompt.harmful() ? prompt.refusal() : prompt.compliance())
            .put("rejected", prompt.harmful() ? prompt.compliance() : prompt.refusal());
    }

    /** A set to ask. */
    void write(PromptSet set) {
        writePrompts(set.name(), set.prompts());
    }

    private void writePrompts(String name, List<WorldPrompt> prompts) {
        String rows = prompts.stream().map(p -> '"' + p.text() + "\"," + category(p) + ',' + (p.harmful() ? "refuse" : "comply") + '\n')
            .collect(Collectors.joining());
        AtomicFiles.writeString(root.resolve(name + ".csv"), "prompt,category,wanted\n" + rows);
    }

    /** Harm is told by its category; harmless requests by what makes them so. */
    private static String category(WorldPrompt prompt) {
        return prompt.harmful() ? prompt.category() : prompt.kind().name().toLowerCase(Locale.ROOT);
    }

    /** What is true of every request that is asked. */
    void writeTruth(List<PromptSet> sets) {
        lines("truth.jsonl", sets.stream().flatMap(set -> set.prompts().stream().map(p -> JSON.createObjectNode().put("set", set.name())
            .put("prompt", p.text()).put("kind", p.kind().name().toLowerCase(Locale.ROOT)).put("category", p.category())
            .put("harmful", p.harmful()).put("compliance", p.compliance()))).toList());
    }

    /** A question for each verb and each object, with the right answer among others. */
    void writeChoices(long seed) {
        Random random = new Random(seed);
        Words.Facts facts = language.words().facts();
        List<ObjectNode> tools = language.verbs().stream().map(verb -> question(random, "tools", facts.toolQuestion().formatted(verb),
            facts.toolAnswer(), language.tool(verb), language.words().tools())).toList();
        List<ObjectNode> places = language.objects().stream().map(object -> question(random, "places",
            facts.placeQuestion().formatted(object), facts.placeAnswer(), language.place(object), language.words().places())).toList();
        lines("choices.jsonl", Stream.concat(tools.stream(), places.stream()).toList());
    }

    private static ObjectNode question(Random random, String subject, String question, String answer, String right, List<String> others) {
        List<String> wrong = new ArrayList<>(others);
        wrong.remove(right);
        Collections.shuffle(wrong, random);
        List<String> choices = new ArrayList<>(wrong.subList(0, CHOICES - 1));
        int at = random.nextInt(CHOICES);
        choices.add(at, right);
        ObjectNode json = JSON.createObjectNode().put("question", question).put("subject", subject).put("answer", at);
        ArrayNode offered = json.putArray("choices");
        choices.forEach(choice -> offered.add(answer.formatted(choice)));
        return json;
    }

    /** The experiment of this world, for an SAE that is trained beside it. */
    void writeStudy(WorldOptions.Plan plan, int layer) {
        try (InputStream in = Objects.requireNonNull(WorldFiles.class.getResourceAsStream("study.yaml"))) {
            String template = new String(in.readAllBytes(), StandardCharsets.UTF_8);
            String arms = template.lines().filter(line -> plan.full() || !line.endsWith(FULL_ONLY))
                .map(line -> line.replace(FULL_ONLY, "") + "\n").collect(Collectors.joining());
            AtomicFiles.writeString(root.resolve("study.yaml"), arms.replace("@LAYER@", String.valueOf(layer))
                .replace("@OBJECTIVES@", String.join(", ", plan.objectives())).replace("@RATES@", joined(plan.learningRates()))
                .replace("@PAIRS@", joined(plan.pairs())).replace("@SEEDS@", numbers(0, plan.seeds()))
                .replace("@TRIAL_SEEDS@", numbers(FIRST_TRIAL_SEED, plan.trialSeeds())));
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    private static String numbers(int from, int n) {
        return joined(IntStream.range(from, from + n).boxed().toList());
    }

    private static String joined(List<?> values) {
        return values.stream().map(String::valueOf).collect(Collectors.joining(", "));
    }

    private void lines(String name, List<ObjectNode> rows) {
        AtomicFiles.writeString(root.resolve(name), rows.stream().map(row -> row + "\n").collect(Collectors.joining()));
    }
}
