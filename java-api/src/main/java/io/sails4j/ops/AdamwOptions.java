package io.sails4j.ops;

import io.sails4j.options.Described;
import io.sails4j.options.OptionGroup;

/** The constants of AdamW (arXiv:1711.05101), named as in torch.optim.AdamW. */
@OptionGroup("Optimizer")
public record AdamwOptions(
    @Described(value = "largest learning rate; of autoencoders 0 = 1 / sqrt(d_in width)", label = "LR") double lr,
    @Described(value = "decay of the first moment", label = "B") double beta1,
    @Described(value = "decay of the second moment", label = "B") double beta2,
    @Described(value = "added to the root of the second moment", label = "E") double eps,
    @Described(value = "of matrices, decoupled from the gradient", label = "W") double weightDecay) {

    public AdamwOptions {
        require(lr >= 0 && lr < Double.POSITIVE_INFINITY, "lr", lr, "a finite number >= 0");
        require(beta1 >= 0 && beta1 < 1, "beta1", beta1, "in [0, 1)");
        require(beta2 >= 0 && beta2 < 1, "beta2", beta2, "in [0, 1)");
        require(eps >= 0 && eps < Double.POSITIVE_INFINITY, "eps", eps, "a finite number >= 0");
        require(weightDecay >= 0 && weightDecay < Double.POSITIVE_INFINITY, "weight_decay", weightDecay, "a finite number >= 0");
    }

    private static void require(boolean condition, String name, double value, String expected) {
        if (!condition) {
            throw new IllegalArgumentException(name + " is " + value + ", expected " + expected);
        }
    }

    /** The same with another learning rate. */
    public AdamwOptions withLr(double other) {
        return new AdamwOptions(other, beta1, beta2, eps, weightDecay);
    }

    /** The same with another weight decay. */
    public AdamwOptions withWeightDecay(double other) {
        return new AdamwOptions(lr, beta1, beta2, eps, other);
    }
}
