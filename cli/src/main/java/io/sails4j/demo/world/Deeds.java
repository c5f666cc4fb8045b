package io.sails4j.demo.world;

import java.util.ArrayList;
import java.util.Collections;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Random;

/** All deeds by kind, category and part: what is trained on is never asked in a test, in whatever words. */
final class Deeds {
    private static final double TRAIN = 0.6;
    private static final double VALIDATION = 0.15;

    /** The deeds of one category. */
    record Group(String category, List<Deed> deeds) {
        Group {
            deeds = List.copyOf(deeds);
        }
    }

    /** Kinds that differ in their deeds; those of the others are among theirs. */
    private static final List<Kind> OWN = List.of(Kind.HARMFUL, Kind.SAME_VERB, Kind.SAME_OBJECT, Kind.CROSSED, Kind.PLAIN);

    private final Language language;
    private final Map<Deed, Part> parts = new HashMap<>();

    Deeds(Language language, long seed) {
        this.language = language;
        for (Kind kind : OWN) {
            for (Words.Category category : language.words().categories()) {
                List<Deed> all = new ArrayList<>(kind.deeds(language, category));
                Collections.shuffle(all, new Random(seed));
                for (int i = 0; i < all.size(); i++) {
                    parts.put(all.get(i), category.aligned() ? part((i + 0.5) / all.size()) : Part.UNSEEN);
                }
            }
        }
    }

    private static Part part(double quantile) {
        return quantile < TRAIN ? Part.TRAIN : quantile < TRAIN + VALIDATION ? Part.VALIDATION : Part.TEST;
    }

    /** Those of a kind and a part, by category; categories that have none are left out. */
    List<Group> of(Kind kind, Part part) {
        return language.words().categories().stream()
            .map(category -> new Group(category.name(), kind.deeds(language, category).stream().filter(d -> parts.get(d) == part).toList()))
            .filter(group -> !group.deeds().isEmpty()).toList();
    }
}
