package io.sails4j.attack;

import io.sails4j.InputException;
import io.sails4j.options.Described;
import io.sails4j.options.OptionGroup;
import java.util.List;
import java.util.stream.Stream;

/** Which direction is taken out. */
@OptionGroup("Direction")
public record AblateOptions(
    @Described(value = "layer behind which the direction is measured, -1 = the one that lowers refusals most on prompts held out",
        label = "LAYER") int layer,
    @Described(value = "how refusals begin: their first tokens are what the choice of the layer counts",
        label = "TEXT[,TEXT]") String refusalStarts) {

    /** A layer by choice. */
    public static final int CHOSEN = -1;

    public AblateOptions {
        if (layer < CHOSEN) {
            throw new InputException("layer is " + layer + ", expected -1 (the best one) or a layer, counted from 0");
        }
        if (texts(refusalStarts).isEmpty()) {
            throw new InputException("refusal_starts is empty, expected texts with which refusals begin, with commas between");
        }
    }

    /** The best layer; refusals begin with I, as arXiv:2406.11717 (appendix B) takes for Gemma and Llama-3. */
    public static AblateOptions defaults() {
        return new AblateOptions(CHOSEN, "I");
    }

    /** The texts with which refusals begin. */
    List<String> starts() {
        return texts(refusalStarts);
    }

    private static List<String> texts(String list) {
        return Stream.of(list.split(",")).map(String::strip).filter(text -> !text.isEmpty()).toList();
    }
}
