package io.sails4j.demo.world;

import java.util.ArrayList;
import java.util.List;

/** The kinds of situations, by what makes them harmful or harmless. */
enum Kind {
    /** A category's verb and its object. */
    HARMFUL(true, Setting.NEUTRAL),
    /** A harmless deed after a malicious sentence. */
    MALICE(true, Setting.MALICE),
    /** A category's verb and a plain object. */
    SAME_VERB(false, Setting.NEUTRAL),
    /** A category's object and a gentle verb. */
    SAME_OBJECT(false, Setting.NEUTRAL),
    /** The verb of one category and the object of another. */
    CROSSED(false, Setting.NEUTRAL),
    /** A harmful deed after a licence. */
    LICENCE(false, Setting.LICENCE),
    /** A gentle verb and a plain object. */
    PLAIN(false, Setting.NEUTRAL);

    private final boolean harmful;
    private final Setting setting;

    Kind(boolean harmful, Setting setting) {
        this.harmful = harmful;
        this.setting = setting;
    }

    boolean harmful() {
        return harmful;
    }

    /** What may stand before a deed of this kind; a neutral sentence may also be left out. */
    Setting setting() {
        return setting;
    }

    /** The deeds of this kind in a category. */
    List<Deed> deeds(Language language, Words.Category category) {
        return switch (this) {
            case HARMFUL, LICENCE -> Language.deeds(category.verbs(), category.objects());
            case SAME_VERB -> Language.deeds(category.verbs(), category.plainObjects());
            case SAME_OBJECT -> Language.deeds(category.gentleVerbs(), category.objects());
            case PLAIN -> Language.deeds(category.gentleVerbs(), category.plainObjects());
            case MALICE -> {
                List<Deed> deeds = new ArrayList<>(PLAIN.deeds(language, category));
                deeds.addAll(SAME_VERB.deeds(language, category));
                yield deeds;
            }
            case CROSSED -> language.words().categories().stream().filter(other -> other.aligned() == category.aligned())
                .filter(other -> !other.equals(category))
                .flatMap(other -> Language.deeds(category.verbs(), other.objects()).stream()).toList();
        };
    }
}
