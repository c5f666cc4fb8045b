package io.sails4j.recovery;

/** Ways to find the subspace of the features that tell the two sides apart. */
public enum Identification {
    /** The difference of the sides' means: one direction, however many features there are. */
    MEAN_DIFFERENCE("mean difference"),
    /** The first components of the differences of pairs of vectors. */
    PAIRED_PCA("PCA of differences"),
    /** The first components of the aligned side's second moments less the unaligned side's (Abid et al., arXiv:1709.06716). */
    CONTRASTIVE_PCA("contrastive PCA"),
    /** The features that were planted, chosen by the difference of their projections' means. */
    TRUE_DICTIONARY("true dictionary"),
    /** Features of an autoencoder that is trained on the same vectors, chosen by the difference of their means (arXiv:2512.23260). */
    AUTOENCODER("trained SAE");

    private final String title;

    Identification(String title) {
        this.title = title;
    }

    /** Its name, for people. */
    public String title() {
        return title;
    }
}
