package io.sails4j.saetrain;

import io.sails4j.InputException;
import io.sails4j.options.Described;
import io.sails4j.options.OptionGroup;
import java.util.function.Consumer;

/** What kind of autoencoder is trained, and how wide. */
@OptionGroup("Autoencoder")
public record SaeShape(
    @Described("what makes features active") SaeKind kind,
    @Described(value = "features, d_sae", label = "N") int width,
    @Described(value = "active features of topk, and on average of batchtopk", label = "N", usedWith = "kind=topk|batchtopk") int k,
    @Described(value = "widths of prefixes that have to reconstruct by themselves, off = none",
        label = "N,N,…|off") PrefixWidths matryoshka) {

    public SaeShape {
        InputException.requireOption(width >= 1, "width", width, "1 or more features");
        InputException.requireOption(k >= 1, "k", k, "1 or more active features");
        if (kind == SaeKind.TOPK || kind == SaeKind.BATCHTOPK) {
            InputException.requireOption(k <= width, "k", k, "at most the width, " + width);
        }
        InputException.requireOption(matryoshka.widths().stream().allMatch(w -> w < width), "matryoshka", matryoshka,
            "rising widths below the width, " + width);
    }

    /** A top-32 autoencoder of 4096 features. */
    public static SaeShape defaults() {
        return new SaeShape(SaeKind.TOPK, 4096, 32, PrefixWidths.NONE);
    }

    /** Other options: {@code change} gets a builder that has these. */
    public SaeShape with(Consumer<Builder> change) {
        Builder builder = new Builder(this);
        change.accept(builder);
        return new SaeShape(builder.kind, builder.width, builder.k, builder.matryoshka);
    }

    /** The components, to be changed. */
    public static final class Builder {
        public SaeKind kind;
        public int width;
        public int k;
        public PrefixWidths matryoshka;

        private Builder(SaeShape from) {
            kind = from.kind;
            width = from.width;
            k = from.k;
            matryoshka = from.matryoshka;
        }
    }
}
