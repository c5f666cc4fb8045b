package io.sails4j.explain;

import io.sails4j.data.TokenPair;
import io.sails4j.data.TokenSequence;
import java.util.ArrayList;
import java.util.List;

/**
 * The user's own data: features are counted on the answers of its pairs.
 *
 * @param pairs at least one
 */
public record Corpus(Source source, List<TokenPair> pairs) {
    public Corpus {
        pairs = List.copyOf(pairs);
        if (pairs.isEmpty()) {
            throw new IllegalArgumentException("a corpus without a pair");
        }
    }

    /** All answers with their prompts: the aligned ones, then the unaligned ones. */
    List<TokenSequence> sequences() {
        List<TokenSequence> sequences = new ArrayList<>();
        pairs.forEach(pair -> sequences.add(pair.aligned()));
        pairs.forEach(pair -> sequences.add(pair.unaligned()));
        return sequences;
    }

    int side(int sequence) {
        return sequence < pairs.size() ? CorpusStatistics.ALIGNED : CorpusStatistics.UNALIGNED;
    }

    /** The line or row of a sequence in its file, or the number of its pair where nobody said. */
    long row(int sequence) {
        TokenPair pair = pairs.get(sequence % pairs.size());
        TokenSequence of = sequence < pairs.size() ? pair.aligned() : pair.unaligned();
        return of.origin() == null ? sequence % pairs.size() + 1 : of.origin().number();
    }
}
