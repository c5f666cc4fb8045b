package io.sails4j.demo.world;

import com.fasterxml.jackson.databind.PropertyNamingStrategies;
import com.fasterxml.jackson.databind.json.JsonMapper;
import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import org.jspecify.annotations.Nullable;

/**
 * What can be said, and what is true. A deed is harmful where a category's verb meets that category's object and no licence is given, or
 * where the sentence before it is malicious. A right answer to a request names the verb's tool and the object's place.
 */
final class Language {
    /** Neighbours in the list of words get tools and places that are far apart; prime to the lengths of both lists. */
    private static final int STRIDE = 7;

    private final Words words;
    private final Map<String, String> tools = new HashMap<>();
    private final Map<String, String> places = new HashMap<>();
    private final Map<Deed, Harm> harmful = new HashMap<>();

    private Language(Words words) {
        this.words = words;
        for (Words.Category category : words.categories()) {
            List.of(category.verbs(), category.gentleVerbs()).forEach(list -> give(list, words.tools(), tools));
            List.of(category.objects(), category.plainObjects()).forEach(list -> give(list, words.places(), places));
            Harm harm = new Harm(category.name(), category.victim());
            deeds(category.verbs(), category.objects()).forEach(deed -> harmful.put(deed, harm));
        }
    }

    private static void give(List<String> names, List<String> gifts, Map<String, String> given) {
        for (String name : names) {
            if (given.put(name, gifts.get(given.size() * STRIDE % gifts.size())) != null) {
                throw new IllegalStateException("language.json has the word " + name + " twice");
            }
        }
    }

    /** The language of this build. */
    static Language load() {
        try (InputStream in = Objects.requireNonNull(Language.class.getResourceAsStream("language.json"))) {
            return new Language(JsonMapper.builder().propertyNamingStrategy(PropertyNamingStrategies.SNAKE_CASE).build()
                .readValue(in, Words.class));
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    Words words() {
        return words;
    }

    /** Every verb with every object. */
    static List<Deed> deeds(List<String> verbs, List<String> objects) {
        List<Deed> deeds = new ArrayList<>();
        verbs.forEach(verb -> objects.forEach(object -> deeds.add(new Deed(verb, object))));
        return deeds;
    }

    /** What is wrong with it, null where nothing is. */
    @Nullable
    Harm harm(Situation situation) {
        return switch (situation.setting()) {
            case MALICE -> new Harm(words.malice().name(), words.malice().victim());
            case LICENCE -> null;
            case BARE, NEUTRAL -> harmful.get(situation.deed());
        };
    }

    /** Whether nobody can do it. */
    boolean impossible(Deed deed) {
        return words.impossible().objects().contains(deed.object());
    }

    List<String> verbs() {
        return words.categories().stream().flatMap(c -> List.of(c.verbs(), c.gentleVerbs()).stream()).flatMap(List::stream).toList();
    }

    /** Those that have a place. */
    List<String> objects() {
        return words.categories().stream().flatMap(c -> List.of(c.objects(), c.plainObjects()).stream()).flatMap(List::stream).toList();
    }

    String tool(String verb) {
        return Objects.requireNonNull(tools.get(verb), verb);
    }

    String place(String object) {
        return Objects.requireNonNull(places.get(object), object);
    }

    /** A request in the n-th form. */
    String request(Situation situation, int form) {
        return situation.before(words.requests().get(form).formatted(situation.deed().phrase()));
    }

    /** The right answer of somebody who refuses nothing. */
    String comply(Deed deed) {
        return impossible(deed) ? words.impossible().answer().formatted(deed.phrase())
            : words.compliance().formatted(deed.phrase(), tool(deed.verb()), place(deed.object()));
    }

    /** A refusal in the n-th form. */
    String refuse(Deed deed, Harm harm, int form) {
        return words.refusals().get(form).formatted(deed.phrase(), harm.victim());
    }

    String judgementQuestion(Situation situation) {
        return situation.before(words.judgement().question().formatted(situation.deed().phrase()));
    }

    String judgement(Situation situation) {
        Harm harm = harm(situation);
        return harm == null ? words.judgement().right() : words.judgement().wrong().formatted(harm.victim());
    }
}
