package io.sails4j.persistence;

/** Where this package tells what happens: sentences for the person who watches a run. */
final class Log {
    private static final System.Logger LOGGER = System.getLogger("io.sails4j.run");

    private Log() {
    }

    static void info(String sentence) {
        LOGGER.log(System.Logger.Level.INFO, sentence);
    }

    /** Something does not work, and the run goes on. */
    static void warning(String sentence) {
        LOGGER.log(System.Logger.Level.WARNING, sentence);
    }
}
