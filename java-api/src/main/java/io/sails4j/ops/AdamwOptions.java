package io.sails4j.ops;

/** The constants of AdamW (arXiv:1711.05101), named as in torch.optim.AdamW. */
public record AdamwOptions(double lr, double beta1, double beta2, double eps, double weightDecay) {
    public AdamwOptions {
        require(lr >= 0 && lr < Double.POSITIVE_INFINITY, "lr", lr, "a finite number >= 0");
        require(beta1 >= 0 && beta1 < 1, "beta1", beta1, "in [0, 1)");
        require(beta2 >= 0 && beta2 < 1, "beta2", beta2, "in [0, 1)");
        require(eps >= 0 && eps < Double.POSITIVE_INFINITY, "eps", eps, "a finite number >= 0");
        require(weightDecay >= 0 && weightDecay < Double.POSITIVE_INFINITY, "weightDecay", weightDecay, "a finite number >= 0");
    }

    private static void require(boolean condition, String name, double value, String expected) {
        if (!condition) {
            throw new IllegalArgumentException("AdamW: " + name + " is " + value + ", expected " + expected);
        }
    }
}
