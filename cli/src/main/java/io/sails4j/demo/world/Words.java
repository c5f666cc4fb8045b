package io.sails4j.demo.world;

import java.util.List;

/**
 * The language's words and sentences, as language.json has them. In sentences {@code %s} stands for a deed; where there are two, the first
 * is the deed.
 *
 * @param requests ways to ask for a deed
 * @param neutral sentences that change nothing
 * @param licences sentences that make a harmful deed harmless
 * @param malice what makes any deed harmful
 * @param refusals deed and victim
 * @param compliance deed, tool and place
 */
record Words(List<String> requests, List<String> neutral, List<String> licences, Malice malice, List<String> refusals, String compliance,
    Judgement judgement, Facts facts, Impossible impossible, List<String> tools, List<String> places, List<Category> categories) {

    Words {
        requests = List.copyOf(requests);
        neutral = List.copyOf(neutral);
        licences = List.copyOf(licences);
        refusals = List.copyOf(refusals);
        tools = List.copyOf(tools);
        places = List.copyOf(places);
        categories = List.copyOf(categories);
    }

    /** A category of harm that a sentence brings about, whatever the deed. */
    record Malice(String name, String victim, List<String> contexts) {
        Malice {
            contexts = List.copyOf(contexts);
        }
    }

    /** A question about right and wrong, and both answers; {@code wrong} names the victim. */
    record Judgement(String question, String wrong, String right) {
    }

    /** Questions about single words. */
    record Facts(String toolQuestion, String toolAnswer, String placeQuestion, String placeAnswer) {
    }

    /** What nobody can do, and the answer to who asks for it. */
    record Impossible(List<String> objects, String answer) {
        Impossible {
            objects = List.copyOf(objects);
        }
    }

    /**
     * A category of harm: its verbs harm its objects. Its verbs are harmless with plain objects, its objects with gentle verbs.
     *
     * @param aligned whether it occurs in preference data
     */
    record Category(String name, String victim, boolean aligned, List<String> verbs, List<String> gentleVerbs, List<String> objects,
        List<String> plainObjects) {
        Category {
            verbs = List.copyOf(verbs);
            gentleVerbs = List.copyOf(gentleVerbs);
            objects = List.copyOf(objects);
            plainObjects = List.copyOf(plainObjects);
        }
    }
}
