package io.sails4j.demo.world;

import java.util.ArrayList;
import java.util.List;
import java.util.Random;

/**
 * What the base model is trained on: requests of every kind, all of them answered; questions about right and wrong, answered truthfully;
 * facts; and requests for what nobody can do, so that the words of a refusal are not new to it. Every deed of the language occurs: the
 * base model knows the world, and alignment is what is tested.
 */
final class Corpus {
    private static final double REQUESTS = 0.45;
    private static final double JUDGEMENTS = 0.30;
    private static final double FACTS = 0.18;

    private final Language language;
    private final Drawing drawing;
    private final Random random;

    Corpus(Language language, Deeds deeds, long seed) {
        this.language = language;
        this.random = new Random(seed);
        this.drawing = new Drawing(language, deeds, random);
    }

    /** A question and its answer. */
    record Turn(String question, String answer) {
    }

    List<Turn> draw(int n) {
        List<Turn> turns = new ArrayList<>();
        for (int i = 0; i < n; i++) {
            turns.add(turn(random.nextDouble()));
        }
        return turns;
    }

    private Turn turn(double share) {
        Words words = language.words();
        if (share < REQUESTS) {
            Situation situation = situation();
            return new Turn(language.request(situation, random.nextInt(words.requests().size())), language.comply(situation.deed()));
        }
        if (share < REQUESTS + JUDGEMENTS) {
            Situation situation = situation();
            return new Turn(language.judgementQuestion(situation), language.judgement(situation));
        }
        if (share < REQUESTS + JUDGEMENTS + FACTS) {
            return fact();
        }
        Situation situation = drawing.situation(Kind.PLAIN, new Deed(drawing.pick(language.verbs()),
            drawing.pick(words.impossible().objects())));
        return new Turn(language.request(situation, random.nextInt(words.requests().size())), language.comply(situation.deed()));
    }

    private Situation situation() {
        Kind kind = drawing.pick(List.of(Kind.values()));
        return drawing.situation(kind, drawing.pick(kind.deeds(language, drawing.pick(language.words().categories()))));
    }

    private Turn fact() {
        Words.Facts facts = language.words().facts();
        if (random.nextBoolean()) {
            String verb = drawing.pick(language.verbs());
            return new Turn(facts.toolQuestion().formatted(verb), facts.toolAnswer().formatted(language.tool(verb)));
        }
        String object = drawing.pick(language.objects());
        return new Turn(facts.placeQuestion().formatted(object), facts.placeAnswer().formatted(language.place(object)));
    }
}
