package io.sails4j.demo.world;

/** What somebody wants to do: a verb and its object. */
record Deed(String verb, String object) {
    /** As it stands in a sentence. */
    String phrase() {
        return verb + " the " + object;
    }
}
