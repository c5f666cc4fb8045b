package io.sails4j.model;

/**
 * What the keys and values of a decoder's sequences take, in pages.
 *
 * @param used that sequences under way hold
 * @param held the same, and those of prompts that were read and rest for others that begin alike
 * @param allocated that memory is there for
 * @param most that there may be
 * @param pageBytes bytes of a page in all layers
 */
public record CacheUse(int used, int held, int allocated, int most, long pageBytes) {
}
