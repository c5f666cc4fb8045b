package io.sails4j.explain;

import com.fasterxml.jackson.databind.JsonNode;
import io.sails4j.files.JsonFiles;
import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Objects;
import java.util.Optional;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.StreamSupport;

/**
 * Pages of published SAEs' features on neuronpedia.org. Which SAE it is, its configuration or its path must tell; where there are pages of
 * Gemma Scope's, SAELens lists (sae_lens/pretrained_saes.yaml): one SAE of each layer and width under a plain name, some more with their
 * L0 in it.
 */
final class NeuronpediaLinks {
    private static final String SITE = "https://www.neuronpedia.org/";
    private static final Pattern GEMMA_SCOPE = Pattern
        .compile("(gemma-scope-[^/]*?-res)/(?:.*/)?layer_(\\d{1,3})/width_([0-9a-z]+)/average_l0_(\\d{1,6})(?:/.*)?");
    /** The base model's residual stream, 8 or 32 times as wide (arXiv:2410.20526). */
    private static final Pattern LLAMA_SCOPE = Pattern.compile("(?:.*[/-])?Llama3_1-8B-Base-L(\\d{1,3})R-(8|32)x(?:/.*)?");
    private static final Pattern ID = Pattern.compile("[A-Za-z0-9._-]+/[A-Za-z0-9._-]+");

    private NeuronpediaLinks() {
    }

    /** What pages of the features of an SAE at a path begin with. */
    static Optional<String> of(Path sae) {
        return idOf(sae).map(id -> SITE + id + "/");
    }

    private static Optional<String> idOf(Path sae) {
        Path config = sae.toAbsolutePath().resolveSibling("cfg.json");
        if (Files.isRegularFile(config)) {
            JsonNode json = JsonFiles.read(config);
            JsonNode id = json.path("metadata").has("neuronpedia_id") ? json.path("metadata").get("neuronpedia_id")
                : json.path("neuronpedia_id");
            if (id.isTextual() && ID.matcher(id.textValue()).matches()) {
                return Optional.of(id.textValue());
            }
        }
        String path = sae.toAbsolutePath().normalize().toString().replace('\\', '/');
        Matcher llama = LLAMA_SCOPE.matcher(path);
        if (llama.matches()) {
            return Optional.of("llama3.1-8b/" + llama.group(1) + "-llamascope-res-" + (llama.group(2).equals("8") ? "32k" : "131k"));
        }
        int begin = path.lastIndexOf("gemma-scope-");
        Matcher gemma = GEMMA_SCOPE.matcher(begin < 0 ? "" : path.substring(begin));
        return gemma.matches() ? ofGemmaScope(gemma) : Optional.empty();
    }

    private static Optional<String> ofGemmaScope(Matcher path) {
        String layer = path.group(2);
        String place = layer + ":" + path.group(4);
        for (JsonNode entry : table().get("saes")) {
            if (entry.get("repository").textValue().equals(path.group(1)) && entry.get("width").textValue().equals(path.group(3))) {
                String name = entry.get("model").textValue() + "/" + layer + "-gemmascope-res-" + path.group(3);
                return lists(entry.get("plain"), place) ? Optional.of(name)
                    : lists(entry.get("with_l0"), place) ? Optional.of(name + "__l0-" + path.group(4)) : Optional.empty();
            }
        }
        return Optional.empty();
    }

    private static boolean lists(JsonNode places, String place) {
        return StreamSupport.stream(places.spliterator(), false).anyMatch(node -> node.textValue().equals(place));
    }

    private static JsonNode table() {
        try (InputStream in = Objects.requireNonNull(NeuronpediaLinks.class.getResourceAsStream("neuronpedia.json"))) {
            return JsonFiles.parse(new String(in.readAllBytes(), StandardCharsets.UTF_8), "neuronpedia.json");
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }
}
