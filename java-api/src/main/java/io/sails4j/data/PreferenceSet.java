package io.sails4j.data;

import java.util.List;

/** The usable pairs of a file and what was left out. */
public record PreferenceSet(List<PreferencePair> pairs, DataReport report) {
    public PreferenceSet {
        pairs = List.copyOf(pairs);
    }
}
