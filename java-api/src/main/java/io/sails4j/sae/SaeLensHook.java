package io.sails4j.sae;

import io.sails4j.files.JsonObject;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import org.jspecify.annotations.Nullable;

/**
 * Where a SAELens SAE belongs, in every spelling that {@code cfg.json} had: {@code hook_point} and {@code hook_point_layer} first,
 * {@code hook_name} and {@code hook_layer} from version 3 on, both under {@code metadata} from version 6 on, there with
 * {@code hf_hook_name} for the module in transformers (SAELens sae_lens/loading/pretrained_sae_loaders.py). All that are there must agree.
 */
final class SaeLensHook {
    private static final List<String> NAMES = List.of("hook_name", "hook_point", "hf_hook_name", "hook_name_hf");
    private static final List<String> LAYERS = List.of("hook_layer", "hook_point_layer");
    private static final List<String> HEADS = List.of("hook_head_index", "hook_point_head_index");
    private static final List<String> OUTPUTS = List.of("hook_name_out", "hf_hook_name_out", "hook_point_out");

    private final JsonObject json;
    private final List<JsonObject> objects = new ArrayList<>();

    private SaeLensHook(JsonObject json) {
        this.json = json;
        json.optionalObject("metadata").ifPresent(objects::add);
        objects.add(json);
    }

    static SaeHook read(JsonObject json) {
        return new SaeLensHook(json).read();
    }

    /** A key with its value and the object that holds it. */
    private record Found<T>(JsonObject object, String key, T value) {
        String source() {
            return "'" + key + "' in " + object.where();
        }
    }

    private SaeHook read() {
        @Nullable
        Found<Long> layer = layer();
        List<Found<HookName>> names = names(layer);
        Found<HookName> first = names.isEmpty() ? null : names.getFirst();
        for (Found<HookName> name : names) {
            if (first != null && !name.value().agrees(first.value())) {
                throw name.object().wrong(name.key(), "'" + name.value().text() + "'",
                    "the place of " + first.source() + ", which is '" + first.value().text() + "'");
            }
        }
        requireOneOutput(first);
        if (first == null) {
            return layer == null ? SaeHook.untold()
                : new SaeHook(String.valueOf(layer.value()), layer.source(), SaeHook.Place.UNTOLD, layer.value().intValue());
        }
        Integer block = first.value().block();
        if (layer != null && block != null && layer.value() != block.longValue()) {
            throw layer.object().wrong(layer.key(), layer.value(),
                "the layer of " + first.source() + ", which is '" + first.value().text() + "'");
        }
        SaeHook hook = first.value().from(first.source());
        return head().map(head -> new SaeHook(hook.name() + " of head " + head.value(), hook.source() + " with '" + head.key() + "'",
            SaeHook.Place.ELSEWHERE, null)).orElse(hook);
    }

    /** In the order of {@link #NAMES}: TransformerLens' names first. */
    private List<Found<HookName>> names(@Nullable Found<Long> layer) {
        List<Found<HookName>> names = new ArrayList<>();
        for (String key : NAMES) {
            for (JsonObject object : objects) {
                object.optionalString(key).filter(text -> !text.isBlank())
                    .map(text -> layer == null ? text : text.replace("{layer}", String.valueOf(layer.value())))
                    .ifPresent(text -> names.add(new Found<>(object, key, HookName.parse(text))));
            }
        }
        return names;
    }

    private @Nullable Found<Long> layer() {
        @Nullable
        Found<Long> first = null;
        for (String key : LAYERS) {
            for (JsonObject object : objects) {
                Optional<Long> value = object.optionalLong(key);
                if (value.isPresent() && (value.get() < 0 || value.get() > Integer.MAX_VALUE)) {
                    throw object.wrong(key, value.get(), "the number of a layer");
                }
                if (value.isPresent() && first != null && !value.get().equals(first.value())) {
                    throw object.wrong(key, value.get(), first.value() + ", as " + first.source() + " says");
                }
                first = first == null && value.isPresent() ? new Found<>(object, key, value.get()) : first;
            }
        }
        return first;
    }

    private Optional<Found<Long>> head() {
        return HEADS.stream().flatMap(key -> objects.stream()
            .flatMap(object -> object.optionalLong(key).map(head -> new Found<>(object, key, head)).stream())).findFirst();
    }

    /** What reads one place and writes another is a transcoder, even where its architecture is not named so. */
    private void requireOneOutput(@Nullable Found<HookName> in) {
        for (String key : OUTPUTS) {
            for (JsonObject object : objects) {
                object.optionalString(key).filter(out -> !out.isBlank()).ifPresent(out -> {
                    if (in == null || !out.equals(in.value().text()) && !same(HookName.parse(out), in.value())) {
                        throw object.wrong(key, "'" + out + "'", (in == null ? "no output without an input"
                            : "the input, '" + in.value().text() + "'") + ": a transcoder is no SAE of the residual stream");
                    }
                });
            }
        }
        json.optionalLong("d_out").ifPresent(dOut -> {
            if (!json.optionalLong("d_in").equals(Optional.of(dOut))) {
                throw json.wrong("d_out", dOut, "d_in = " + json.node().get("d_in") + ": a transcoder is no SAE of the residual stream");
            }
        });
    }

    private static boolean same(HookName a, HookName b) {
        return a.place() == SaeHook.Place.RESIDUAL && a.agrees(b);
    }
}
