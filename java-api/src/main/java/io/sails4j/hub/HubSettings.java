package io.sails4j.hub;

import io.sails4j.InputException;
import java.io.IOException;
import java.net.URI;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/**
 * Where the hub and its cache are and who asks, by the environment variables of huggingface_hub (src/huggingface_hub/constants.py and
 * utils/_auth.py).
 *
 * @param cache HF_HUB_CACHE, else {@code hub} in HF_HOME, in {@code huggingface} in XDG_CACHE_HOME, or in ~/.cache/huggingface
 * @param endpoint HF_ENDPOINT, else https://huggingface.co
 * @param token sent to the endpoint's host alone; null = none
 * @param tokenSource which variable or file gave the token, for messages
 * @param offline HF_HUB_OFFLINE or TRANSFORMERS_OFFLINE: nothing is asked of the network
 */
public record HubSettings(Path cache, URI endpoint, @Nullable String token, String tokenSource, boolean offline) {
    private static final String ENDPOINT = "https://huggingface.co";

    public HubSettings {
        if (!endpoint.isAbsolute() || endpoint.getHost() == null || !List.of("http", "https").contains(endpoint.getScheme())) {
            throw new InputException("HF_ENDPOINT is '" + endpoint + "', expected an address such as " + ENDPOINT);
        }
    }

    /** Those of this process's environment. */
    public static HubSettings ofSystem() {
        return of(System.getenv(), Path.of(System.getProperty("user.home")));
    }

    /** Those of an environment and a home directory. */
    public static HubSettings of(Map<String, String> environment, Path home) {
        Path tokenFile = given(environment, "HF_TOKEN_PATH", home, huggingFace(environment, home).resolve("token"));
        String source = "HF_TOKEN";
        String token = clean(environment.getOrDefault("HF_TOKEN", environment.get("HUGGING_FACE_HUB_TOKEN")));
        if (token == null && Files.isRegularFile(tokenFile)) {
            source = tokenFile.toString();
            token = read(tokenFile);
        }
        return new HubSettings(cacheOf(environment, home), endpoint(environment), token, token == null ? "none" : source,
            isOffline(environment));
    }

    private static Path huggingFace(Map<String, String> environment, Path home) {
        Path usual = given(environment, "XDG_CACHE_HOME", home, home.resolve(".cache")).resolve("huggingface");
        return given(environment, "HF_HOME", home, usual);
    }

    static Path cacheOf(Map<String, String> environment, Path home) {
        // The second is the variable's name before huggingface_hub 0.15.
        Path older = given(environment, "HUGGINGFACE_HUB_CACHE", home, huggingFace(environment, home).resolve("hub"));
        return given(environment, "HF_HUB_CACHE", home, older);
    }

    static boolean isOffline(Map<String, String> environment) {
        return isOn(environment, "HF_HUB_OFFLINE") || isOn(environment, "TRANSFORMERS_OFFLINE");
    }

    private static Path given(Map<String, String> environment, String name, Path home, Path otherwise) {
        String value = environment.get(name);
        if (value == null || value.isBlank()) {
            return otherwise;
        }
        return value.equals("~") || value.startsWith("~/") ? home.resolve(value.substring(Math.min(2, value.length()))) : Path.of(value);
    }

    private static URI endpoint(Map<String, String> environment) {
        String text = environment.getOrDefault("HF_ENDPOINT", "").strip();
        try {
            return URI.create((text.isEmpty() ? ENDPOINT : text).replaceFirst("/+$", ""));
        } catch (IllegalArgumentException e) {
            throw new InputException("HF_ENDPOINT is '" + text + "', expected an address such as " + ENDPOINT, e);
        }
    }

    private static @Nullable String read(Path file) {
        try {
            return clean(Files.readString(file));
        } catch (IOException e) {
            throw new InputException("cannot read the hub's token in " + file + ": " + e, e);
        }
    }

    private static @Nullable String clean(@Nullable String token) {
        if (token == null || token.isBlank()) {
            return null;
        }
        String line = token.strip();
        if (line.chars().anyMatch(c -> c <= ' ' || c > '~')) {
            throw new InputException("the hub's token has characters that no token has; write it again, alone on one line");
        }
        return line;
    }

    private static boolean isOn(Map<String, String> environment, String name) {
        return List.of("1", "ON", "YES", "TRUE").contains(environment.getOrDefault(name, "").toUpperCase(Locale.ROOT));
    }

    /** Without the token. */
    @Override
    public String toString() {
        return "HubSettings[cache=" + cache + ", endpoint=" + endpoint + ", token of " + tokenSource + ", offline=" + offline + "]";
    }
}
