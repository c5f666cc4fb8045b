package io.sails4j.demo.world;

/** What the sentence before a request does to its meaning. */
enum Setting {
    /** There is none. */
    BARE,
    /** It says nothing. */
    NEUTRAL,
    /** It makes a harmful deed harmless. */
    LICENCE,
    /** It makes a harmless deed harmful. */
    MALICE
}
