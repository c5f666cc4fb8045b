package io.sails4j.serving;

import io.sails4j.model.CacheUse;
import java.util.Map;

/**
 * What a scheduler has done and is doing.
 *
 * @param waiting requests that wait
 * @param running requests that are read or answered
 * @param refused requests that were not taken, since too many waited
 * @param ended completions by how they ended
 * @param promptTokens of requests that were begun
 * @param sharedTokens of those, the ones that were not read again
 * @param generatedTokens in all
 * @param cache what keys and values take, as of the latest step
 */
public record SchedulerState(int waiting, int running, long refused, Map<Finish, Long> ended, long promptTokens, long sharedTokens,
    long generatedTokens, CacheUse cache) {
    public SchedulerState {
        ended = Map.copyOf(ended);
    }
}
