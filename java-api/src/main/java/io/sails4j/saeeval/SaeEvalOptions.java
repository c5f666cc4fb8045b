package io.sails4j.saeeval;

import io.sails4j.InputException;
import io.sails4j.options.Described;
import io.sails4j.options.OptionGroup;
import java.util.function.Consumer;

/** How an autoencoder is measured. */
@OptionGroup("Measures")
public record SaeEvalOptions(
    @Described(value = "vectors that are looked at, of the texts from the first on", label = "N") int evalVectors,
    @Described(value = "vectors that are encoded at once", label = "N", decides = false) int encodeBatch,
    @Described(value = "a feature is dense that is active on more than this share of the vectors", label = "SHARE") double denseFrequency,
    @Described(value = "a feature is a duplicate whose decoder row has this cosine or more with that of another",
        label = "X") double duplicateCosine,
    @Described(value = "a known feature is recovered that has this cosine or more with a decoder row",
        label = "X") double recoveredCosine) {

    public SaeEvalOptions {
        InputException.requireOption(evalVectors >= 2, "eval_vectors", evalVectors, "2 or more");
        InputException.requireOption(encodeBatch >= 1, "encode_batch", encodeBatch, "1 or more");
        InputException.requireOption(denseFrequency >= 0 && denseFrequency <= 1, "dense_frequency", denseFrequency, "a number in [0, 1]");
        InputException.requireOption(duplicateCosine > 0 && duplicateCosine <= 1, "duplicate_cosine", duplicateCosine,
            "a number in (0, 1]");
        InputException.requireOption(recoveredCosine > 0 && recoveredCosine <= 1, "recovered_cosine", recoveredCosine,
            "a number in (0, 1]");
    }

    /** 32768 vectors; dense above a tenth, duplicates and recovered features from a cosine of 0.9 on. */
    public static SaeEvalOptions defaults() {
        return new SaeEvalOptions(32_768, 1024, 0.1, 0.9, 0.9);
    }

    /** Other options: {@code change} gets a builder that has these. */
    public SaeEvalOptions with(Consumer<Builder> change) {
        Builder builder = new Builder(this);
        change.accept(builder);
        return new SaeEvalOptions(builder.evalVectors, builder.encodeBatch, builder.denseFrequency, builder.duplicateCosine,
            builder.recoveredCosine);
    }

    /** The components, to be changed. */
    public static final class Builder {
        public int evalVectors;
        public int encodeBatch;
        public double denseFrequency;
        public double duplicateCosine;
        public double recoveredCosine;

        private Builder(SaeEvalOptions from) {
            evalVectors = from.evalVectors;
            encodeBatch = from.encodeBatch;
            denseFrequency = from.denseFrequency;
            duplicateCosine = from.duplicateCosine;
            recoveredCosine = from.recoveredCosine;
        }
    }
}
