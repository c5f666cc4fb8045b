package io.sails4j.sae;

import io.sails4j.InputException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.jspecify.annotations.Nullable;

/**
 * Where a {@code params.npz} belongs: it holds arrays only, so the path tells. Gemma Scope's are
 * {@code gemma-scope-2b-pt-res/layer_12/width_16k/average_l0_82/params.npz}, and {@code embedding/width_4k/…} for SAEs of the embedding
 * matrix (arXiv:2408.05147, table 1); the repository's name ends in res, mlp, att or transcoders.
 */
final class GemmaScopePath {
    /** layer_12, and layer_17_width_16k_l0_medium. */
    private static final Pattern LAYER = Pattern.compile("layer_(\\d{1,9})(?:_.*)?");
    private static final Pattern REPOSITORY = Pattern
        .compile("(?:.*--)?(gemma-scope-.*?-(res|resid|mlp|att|attn|transcoders?)(?:-.*)?)");
    private static final Pattern KIND = Pattern.compile("((?:.*[-_])?(res|resid|resid_post|mlp|mlp_out|att|attn|attn_out|transcoders?))");
    /** layer_N/width_W/average_l0_A above the file. */
    private static final int DEPTH = 3;

    private final Path file;
    private final List<String> upwards = new ArrayList<>();

    private GemmaScopePath(Path file) {
        this.file = file;
        for (Path at = file.toAbsolutePath().normalize().getParent(); at != null && at.getFileName() != null; at = at.getParent()) {
            upwards.add(at.getFileName().toString());
        }
    }

    static SaeHook read(Path file) {
        return new GemmaScopePath(file).read();
    }

    private SaeHook read() {
        int at = 0;
        while (at < Math.min(DEPTH, upwards.size()) && !LAYER.matcher(upwards.get(at)).matches() && !upwards.get(at).equals("embedding")) {
            at++;
        }
        boolean told = at < Math.min(DEPTH, upwards.size());
        if (told && upwards.get(at).equals("embedding")) {
            return new SaeHook("embedding", "its path", SaeHook.Place.ELSEWHERE, null);
        }
        Integer layer = told ? layer(upwards.get(at)) : null;
        String place = told ? upwards.get(at) : "";
        Matcher repository = repository(told ? at + 1 : 0);
        if (repository == null) {
            return layer == null ? SaeHook.untold() : new SaeHook(place, "its path", SaeHook.Place.UNTOLD, layer);
        }
        String name = (told ? place + " of " : "") + repository.group(1);
        if (repository.group(2).startsWith("transcoder")) {
            throw new InputException(
                file + " is a transcoder by its path, " + name + ", and no SAE of the residual stream; expected one of "
                    + "a repository whose name ends in -res");
        }
        boolean residual = repository.group(2).startsWith("res");
        return new SaeHook(name, "its path", residual ? SaeHook.Place.RESIDUAL : SaeHook.Place.ELSEWHERE, residual ? layer : null);
    }

    private static Integer layer(String name) {
        Matcher matcher = LAYER.matcher(name);
        matcher.matches();
        return Integer.valueOf(matcher.group(1));
    }

    /** The nearest directory with a repository's name, or one right above the layer's that ends in a kind; null if there is none. */
    private @Nullable Matcher repository(int from) {
        for (int i = from; i < upwards.size(); i++) {
            Matcher matcher = REPOSITORY.matcher(upwards.get(i));
            if (matcher.matches()) {
                return matcher;
            }
        }
        Matcher above = from > 0 && from < upwards.size() ? KIND.matcher(upwards.get(from)) : null;
        return above != null && above.matches() ? above : null;
    }
}
