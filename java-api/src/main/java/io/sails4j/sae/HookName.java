package io.sails4j.sae;

import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.jspecify.annotations.Nullable;

/**
 * A place of a model by its name in TransformerLens (transformer_lens/components/transformer_block.py) or in transformers: what comes out
 * of the module {@code model.layers.N} is the residual stream after layer N. The first of these reads what the last one writes, so
 * hook_resid_pre of block N is the stream after layer N - 1.
 *
 * @param block the number in the name, null if there is none
 * @param layer as in {@link SaeHook}
 */
record HookName(String text, SaeHook.Place place, @Nullable Integer block, @Nullable Integer layer) {
    private static final Pattern AFTER = Pattern
        .compile("blocks\\.(\\d{1,9})\\.hook_resid_post|(?:model\\.)?layers\\.(\\d{1,9})(?:\\.output)?");
    private static final Pattern BEFORE = Pattern
        .compile("blocks\\.(\\d{1,9})\\.hook_resid_pre|(?:model\\.)?layers\\.(\\d{1,9})\\.input");
    private static final Pattern NUMBER = Pattern.compile("(?:^|\\.)(?:blocks|layers|h)\\.(\\d{1,9})(?:\\.|$)");

    static HookName parse(String text) {
        Integer after = number(AFTER.matcher(text));
        if (after != null) {
            return new HookName(text, SaeHook.Place.RESIDUAL, after, after);
        }
        Integer before = number(BEFORE.matcher(text));
        if (before != null) {
            return new HookName(text, SaeHook.Place.RESIDUAL, before, before - 1);
        }
        Matcher other = NUMBER.matcher(text);
        return new HookName(text, SaeHook.Place.ELSEWHERE, other.find() ? Integer.valueOf(other.group(1)) : null, null);
    }

    private static @Nullable Integer number(Matcher matcher) {
        if (!matcher.matches()) {
            return null;
        }
        return Integer.valueOf(matcher.group(1) != null ? matcher.group(1) : matcher.group(2));
    }

    /** Whether a directory's name is that of a module in a layer, as sparsify names directories. */
    static boolean isModule(String text) {
        return NUMBER.matcher(text).find();
    }

    /** The same place: two places besides the residual stream are not compared. */
    boolean agrees(HookName other) {
        return place == other.place && (layer == null ? other.layer == null : layer.equals(other.layer));
    }

    SaeHook from(String source) {
        return new SaeHook(text, source, place, layer);
    }
}
