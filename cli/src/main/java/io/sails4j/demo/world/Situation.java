package io.sails4j.demo.world;

/**
 * A deed and what is said before it.
 *
 * @param sentence empty where the setting is bare
 */
record Situation(Deed deed, Setting setting, String sentence) {
    static Situation bare(Deed deed) {
        return new Situation(deed, Setting.BARE, "");
    }

    /** A question or a request, with the sentence before it. */
    String before(String question) {
        return sentence.isEmpty() ? question : sentence + " " + question;
    }
}
