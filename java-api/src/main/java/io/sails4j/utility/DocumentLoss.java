package io.sails4j.utility;

import io.sails4j.stats.Bootstrap;
import io.sails4j.stats.Interval;
import java.util.List;
import java.util.stream.IntStream;

/**
 * How well a document was predicted.
 *
 * @param bytes of its UTF-8
 * @param windows in the order of the document; every token is counted in one
 */
public record DocumentLoss(long bytes, List<Window> windows) {
    public DocumentLoss {
        windows = List.copyOf(windows);
    }

    /**
     * A piece.
     *
     * @param nats sum of -ln p
     * @param tokens that it counts
     */
    public record Window(double nats, long tokens) {
    }

    /** Tokens that are counted. */
    public long tokens() {
        return windows.stream().mapToLong(Window::tokens).sum();
    }

    /** The sum of -ln p. */
    public double nats() {
        return windows.stream().mapToDouble(Window::nats).sum();
    }

    /**
     * exp(mean -ln p) over all tokens of all documents. The interval resamples documents, each with all of its tokens (a ratio of two
     * sums); of one document its windows (a block bootstrap, Künsch 1989).
     */
    public static Interval perplexity(List<DocumentLoss> documents, Bootstrap bootstrap) {
        List<Window> cases = documents.size() == 1 ? documents.getFirst().windows
            : documents.stream().map(document -> new Window(document.nats(), document.tokens())).toList();
        Interval mean = mean(cases, bootstrap);
        // exp rises: what is a quantile of the mean is one of the perplexity.
        return new Interval(Math.exp(mean.value()), Math.exp(mean.low()), Math.exp(mean.high()));
    }

    /** The mean over all tokens of all cases; the interval resamples cases, each with all of its tokens. */
    public static Interval mean(List<Window> cases, Bootstrap bootstrap) {
        return honest(cases.size(), bootstrap.statistic(cases.size(), drawn -> IntStream.of(drawn).mapToDouble(i -> cases.get(i).nats).sum()
            / IntStream.of(drawn).mapToLong(i -> cases.get(i).tokens).sum()));
    }

    /** The same in bits a byte of text, which compares models of different tokenizers; the interval resamples documents alone. */
    public static Interval bitsPerByte(List<DocumentLoss> documents, Bootstrap bootstrap) {
        return honest(documents.size(), bootstrap.statistic(documents.size(),
            drawn -> IntStream.of(drawn).mapToDouble(i -> documents.get(i).nats()).sum() / Math.log(2)
                / IntStream.of(drawn).mapToLong(i -> documents.get(i).bytes).sum()));
    }

    /** One case says nothing of the spread. */
    private static Interval honest(int cases, Interval interval) {
        return cases == 1 ? new Interval(interval.value(), Double.NaN, Double.NaN) : interval;
    }
}
