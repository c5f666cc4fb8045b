package io.sails4j.sae;

import io.sails4j.InputException;
import java.nio.file.Path;
import java.util.Optional;
import org.jspecify.annotations.Nullable;

/**
 * The place of a model that an SAE belongs to, as its files tell.
 *
 * @param name the place as the files spell it, {@code blocks.12.hook_resid_post}; null if they do not tell
 * @param source what tells it, for sentences; null if nothing does
 * @param place what kind of place it is
 * @param layer the layer after which the residual stream is meant, {@link #EMBEDDING} for the stream before the first; null if it is not
 *        told or the place is another
 */
public record SaeHook(@Nullable String name, @Nullable String source, Place place, @Nullable Integer layer) {
    /** The layer of the residual stream before the first layer. */
    public static final int EMBEDDING = -1;

    /** Kinds of places. */
    public enum Place {
        /** The residual stream between two layers. */
        RESIDUAL,
        /** Any other: inside a layer, a head, the embedding matrix. */
        ELSEWHERE,
        /** The files do not tell. */
        UNTOLD
    }

    /** Of an SAE whose files say nothing. */
    static SaeHook untold() {
        return new SaeHook(null, null, Place.UNTOLD, null);
    }

    /** An error where this cannot be an SAE of the residual stream after a layer; {@code sae} is its file. */
    public void requireLayer(int wanted, Path sae) {
        if (place == Place.ELSEWHERE) {
            throw new InputException(sae + " is an SAE of another place than the residual stream after a layer: " + evidence()
                + "; expected blocks.N.hook_resid_post, blocks.N.hook_resid_pre with N > 0, model.layers.N, or Gemma Scope's -res");
        }
        if (layer != null && layer != wanted) {
            throw new InputException(sae + " belongs to " + stream(layer) + ", not to " + stream(wanted) + ": " + evidence()
                + (layer == EMBEDDING ? "; no layer comes before it, use an SAE of a layer" : "; use it with layer " + layer));
        }
    }

    /** What a user of the SAE on the residual stream after a layer should know: what the name means there, or what is not told. */
    public Optional<String> note(int wanted, Path sae) {
        if (place == Place.UNTOLD) {
            return Optional.of(sae + (layer == null ? " does not tell where in the model it belongs" : " tells its layer, but not of what: "
                + evidence()) + "; it is used on " + stream(wanted) + ", as asked");
        }
        if (layer == null) {
            return Optional.of(sae + " does not tell its layer (" + evidence() + "); it is used on " + stream(wanted) + ", as asked");
        }
        boolean readsInput = name != null && (name.endsWith(".hook_resid_pre") || name.endsWith(".input"));
        return readsInput ? Optional.of(sae + ": " + name + " is " + stream(wanted) + ", and is used there") : Optional.empty();
    }

    /** In words. */
    public String describe() {
        return switch (place) {
            case RESIDUAL -> layer == null ? "the residual stream, the layer is not told" : stream(layer);
            case ELSEWHERE -> "not the residual stream after a layer";
            case UNTOLD -> layer == null ? "not told" : "layer " + layer + ", of what is not told";
        };
    }

    private String evidence() {
        return source + " says " + name;
    }

    private static String stream(int layer) {
        return layer == EMBEDDING ? "the embedding, the residual stream before layer 0" : "the residual stream after layer " + layer;
    }
}
