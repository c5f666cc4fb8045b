package io.sails4j.demo.world;

/** What is wrong with a deed. */
record Harm(String category, String victim) {
}
