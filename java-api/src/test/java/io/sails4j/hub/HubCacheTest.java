package io.sails4j.hub;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.sails4j.InputException;
import java.io.IOException;
import java.net.URI;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Paths and names find the snapshots of a cache as Hugging Face's libraries lay it out. */
class HubCacheTest {
    private static final String FIRST = "0123456789012345678901234567890123456789";
    private static final String SECOND = "abcdefabcdefabcdefabcdefabcdefabcdefabcd";

    @TempDir
    private Path directory;

    private HubSettings settings(String... pairs) {
        Map<String, String> environment = new java.util.HashMap<>();
        for (int i = 0; i < pairs.length; i += 2) {
            environment.put(pairs[i], pairs[i + 1]);
        }
        return HubSettings.of(environment, directory);
    }

    private HubCache cache() {
        return HubCache.of(Map.of("HF_HUB_CACHE", directory.resolve("cache").toString()), directory);
    }

    private Path repository(String folder, String... commits) throws IOException {
        Path repository = directory.resolve("cache").resolve(folder);
        for (String commit : commits) {
            Files.createDirectories(repository.resolve("snapshots").resolve(commit).resolve("layer_1"));
        }
        return repository;
    }

    private void main(Path repository, String content) throws IOException {
        Files.createDirectories(repository.resolve("refs"));
        Files.writeString(repository.resolve("refs/main"), content);
    }

    @Test
    void settingsFollowTheEnvironment() throws IOException {
        assertThat(settings().cache()).isEqualTo(directory.resolve(".cache/huggingface/hub"));
        assertThat(settings("XDG_CACHE_HOME", "/x").cache()).isEqualTo(Path.of("/x/huggingface/hub"));
        assertThat(settings("XDG_CACHE_HOME", "/x", "HF_HOME", "~/h").cache()).isEqualTo(directory.resolve("h/hub"));
        assertThat(settings("HF_HOME", "/h", "HUGGINGFACE_HUB_CACHE", "/old").cache()).isEqualTo(Path.of("/old"));
        assertThat(settings("HUGGINGFACE_HUB_CACHE", "/old", "HF_HUB_CACHE", "/c").cache()).isEqualTo(Path.of("/c"));
        assertThat(settings().endpoint()).isEqualTo(URI.create("https://huggingface.co"));
        assertThat(settings("HF_ENDPOINT", "http://localhost:81//").endpoint()).isEqualTo(URI.create("http://localhost:81"));
        assertThatThrownBy(() -> settings("HF_ENDPOINT", "mirror")).isInstanceOf(InputException.class).hasMessageContaining("HF_ENDPOINT");
        assertThat(settings("HF_HUB_OFFLINE", "1").offline()).isTrue();
        assertThat(settings("TRANSFORMERS_OFFLINE", "yes").offline()).isTrue();
        assertThat(settings("HF_HUB_OFFLINE", "0").offline()).isFalse();
    }

    @Test
    void tokensComeFromVariableOrFileAndAreNotShown() throws IOException {
        assertThat(settings().token()).isNull();
        Files.createDirectories(directory.resolve(".cache/huggingface"));
        Files.writeString(directory.resolve(".cache/huggingface/token"), "hf_file\n");
        assertThat(settings().token()).isEqualTo("hf_file");
        assertThat(settings().tokenSource()).endsWith("token");
        Path other = Files.writeString(directory.resolve("other"), "hf_other");
        assertThat(settings("HF_TOKEN_PATH", other.toString()).token()).isEqualTo("hf_other");
        HubSettings variable = settings("HF_TOKEN", " hf_secret\r\n");
        assertThat(variable.token()).isEqualTo("hf_secret");
        assertThat(variable.toString()).doesNotContain("secret").contains("HF_TOKEN");
        assertThatThrownBy(() -> settings("HF_TOKEN", "hf_sec\nret")).isInstanceOf(InputException.class)
            .satisfies(e -> assertThat(e.getMessage()).doesNotContain("sec\nret"));
    }

    @Test
    void aRepositorysDirectoryIsItsSnapshot() throws IOException {
        Path repository = repository("models--google--gemma", FIRST);
        assertThat(cache().locate(repository)).isEqualTo(repository.resolve("snapshots").resolve(FIRST));
        repository("models--google--gemma", SECOND);
        assertThatThrownBy(() -> cache().locate(repository)).isInstanceOf(InputException.class)
            .hasMessageContaining("several snapshots").hasMessageContaining(FIRST).hasMessageContaining(SECOND);
        main(repository, SECOND + "\n");
        assertThat(cache().locate(repository)).isEqualTo(repository.resolve("snapshots").resolve(SECOND));
        main(repository, "f".repeat(40));
        assertThatThrownBy(() -> cache().locate(repository)).isInstanceOf(InputException.class).hasMessageContaining("has no snapshot");
        main(repository, "../../etc");
        assertThatThrownBy(() -> cache().locate(repository)).isInstanceOf(InputException.class).hasMessageContaining("holds no commit");
        Path ordinary = Files.createDirectories(directory.resolve("models--a--b"));
        assertThat(cache().locate(ordinary)).isEqualTo(ordinary);
    }

    @Test
    void namesAreFoundInTheCache() throws IOException {
        Path snapshot = repository("models--google--gemma", FIRST).resolve("snapshots").resolve(FIRST);
        assertThat(cache().locate(Path.of("google/gemma"))).isEqualTo(snapshot);
        assertThat(cache().locate(Path.of("google/gemma/layer_1"))).isEqualTo(snapshot.resolve("layer_1"));
        assertThatThrownBy(() -> cache().locate(Path.of("google/gemma/layer_2/x"))).isInstanceOf(InputException.class)
            .hasMessageContaining("`sails download google/gemma` with include=GLOB, such as 'layer_2/x/*'");
        assertThatThrownBy(() -> cache().locate(Path.of("google/gemma/../../../.."))).isInstanceOf(InputException.class);
        assertThatThrownBy(() -> cache().locate(Path.of("google/other"))).isInstanceOf(InputException.class)
            .hasMessageContaining("neither a path here nor").hasMessageContaining("sails download google/other");
        HubCache offline = HubCache.of(Map.of("HF_HUB_OFFLINE", "1"), directory);
        assertThatThrownBy(() -> offline.locate(Path.of("google/other"))).isInstanceOf(InputException.class)
            .hasMessageContaining("HF_HUB_OFFLINE");
        for (Path path : new Path[] {Path.of("model"), Path.of("/a/b"), Path.of("a--b/c"), Path.of(""), Path.of("../x")}) {
            assertThat(cache().locate(path)).isEqualTo(path);
        }
    }
}
