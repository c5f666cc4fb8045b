package io.sails4j.demo.world;

import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Random;

/** Draws requests: categories in turn, deeds, sentences before them and forms by chance, no request twice. */
final class Drawing {
    /** So many draws in a row that gave nothing new mean that there is nothing new. */
    private static final int PATIENCE = 1000;

    private final Language language;
    private final Deeds deeds;
    private final Random random;

    Drawing(Language language, Deeds deeds, Random random) {
        this.language = language;
        this.deeds = deeds;
        this.random = random;
    }

    /** Up to {@code n} different requests of a kind. */
    List<WorldPrompt> prompts(Kind kind, Part part, int n) {
        List<Deeds.Group> groups = deeds.of(kind, part);
        Map<String, WorldPrompt> drawn = new LinkedHashMap<>();
        int vain = 0;
        for (int i = 0; drawn.size() < n && vain < PATIENCE; i++) {
            WorldPrompt prompt = prompt(kind, groups.get(i % groups.size()));
            vain = drawn.putIfAbsent(prompt.text(), prompt) == null ? 0 : vain + 1;
        }
        return new ArrayList<>(drawn.values());
    }

    private WorldPrompt prompt(Kind kind, Deeds.Group group) {
        Situation situation = situation(kind, pick(group.deeds()));
        Harm harm = language.harm(situation);
        String text = language.request(situation, random.nextInt(language.words().requests().size()));
        Harm blamed = harm == null ? blamed(group.category()) : harm;
        return new WorldPrompt(text, kind, harm == null ? group.category() : harm.category(), harm != null,
            language.comply(situation.deed()),
            language.refuse(situation.deed(), blamed, random.nextInt(language.words().refusals().size())));
    }

    /** Who refuses a harmless request takes it for a harmful one of its category. */
    private Harm blamed(String name) {
        return language.words().categories().stream().filter(c -> c.name().equals(name)).map(c -> new Harm(name, c.victim())).findFirst()
            .orElseThrow();
    }

    Situation situation(Kind kind, Deed deed) {
        return switch (kind.setting()) {
            case BARE -> Situation.bare(deed);
            case NEUTRAL -> random.nextBoolean() ? Situation.bare(deed)
                : new Situation(deed, Setting.NEUTRAL, pick(language.words().neutral()));
            case LICENCE -> new Situation(deed, Setting.LICENCE, pick(language.words().licences()));
            case MALICE -> new Situation(deed, Setting.MALICE, pick(language.words().malice().contexts()));
        };
    }

    <T> T pick(List<T> choices) {
        return choices.get(random.nextInt(choices.size()));
    }
}
