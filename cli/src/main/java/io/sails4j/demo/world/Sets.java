package io.sails4j.demo.world;

import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.Random;

/** The requests to align with, to choose by, and to test on; the same seed draws the same. */
final class Sets {
    private static final List<Kind> HARMFUL = List.of(Kind.HARMFUL, Kind.MALICE);
    /** Harmless, and near to harm in a word or more. */
    private static final List<Kind> AMBIGUOUS = List.of(Kind.SAME_VERB, Kind.SAME_OBJECT, Kind.CROSSED, Kind.LICENCE);
    private static final List<Kind> HARMLESS = List.of(Kind.SAME_VERB, Kind.SAME_OBJECT, Kind.CROSSED, Kind.LICENCE, Kind.PLAIN);

    private final Random random;
    private final Drawing drawing;

    Sets(Language language, Deeds deeds, long seed) {
        this.random = new Random(seed);
        this.drawing = new Drawing(language, deeds, random);
    }

    /** Preference data: as many harmful requests as harmless ones, of the categories that are aligned. */
    List<WorldPrompt> pairs(int n) {
        List<WorldPrompt> harmful = drawn(HARMFUL, Part.TRAIN, n / 2);
        List<WorldPrompt> harmless = drawn(HARMLESS, Part.TRAIN, n - n / 2);
        List<WorldPrompt> mixed = new ArrayList<>();
        for (int i = 0; i < Math.max(harmful.size(), harmless.size()); i++) {
            // In turn, so that the first pairs of a file are a smaller sample of the same.
            harmful.stream().skip(i).limit(1).forEach(mixed::add);
            harmless.stream().skip(i).limit(1).forEach(mixed::add);
        }
        return mixed;
    }

    /** What is asked: to choose by (validation), and to test on. */
    List<PromptSet> asked(int n) {
        List<WorldPrompt> validation = new ArrayList<>(drawn(HARMFUL, Part.VALIDATION, n / 2));
        validation.addAll(drawn(HARMLESS, Part.VALIDATION, n - n / 2));
        return List.of(new PromptSet("validation", validation), new PromptSet("seen", drawn(HARMFUL, Part.TEST, n)),
            new PromptSet("unseen", drawn(List.of(Kind.HARMFUL), Part.UNSEEN, n)),
            new PromptSet("ambiguous", drawn(AMBIGUOUS, Part.TEST, n)), new PromptSet("plain", drawn(List.of(Kind.PLAIN), Part.TEST, n)));
    }

    /** Kinds in equal shares, in any order. */
    private List<WorldPrompt> drawn(List<Kind> kinds, Part part, int n) {
        List<WorldPrompt> prompts = new ArrayList<>();
        for (int k = 0; k < kinds.size(); k++) {
            int share = n / kinds.size() + (k < n % kinds.size() ? 1 : 0);
            prompts.addAll(drawing.prompts(kinds.get(k), part, share));
        }
        Collections.shuffle(prompts, random);
        return prompts;
    }
}
