package io.sails4j.demo.world;

/** Which prompts a deed may occur in. A deed of a category that has no preference data is for tests alone. */
enum Part {
    TRAIN, VALIDATION, TEST, UNSEEN
}
