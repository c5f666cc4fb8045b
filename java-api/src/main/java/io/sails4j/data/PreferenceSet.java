package io.sails4j.data;

import java.util.List;

/**
 * The usable pairs of a file and what was left out.
 *
 * @param format that was recognised, and that all pairs are in
 */
public record PreferenceSet(List<PreferencePair> pairs, DataFormat format, DataReport report) {
    public PreferenceSet {
        pairs = List.copyOf(pairs);
    }
}
