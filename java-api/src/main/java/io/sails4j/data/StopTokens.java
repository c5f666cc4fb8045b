package io.sails4j.data;

import com.fasterxml.jackson.databind.JsonNode;
import io.sails4j.InputException;
import io.sails4j.config.ModelConfig;
import io.sails4j.files.JsonFiles;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.LinkedHashSet;
import java.util.Set;
import org.jspecify.annotations.Nullable;

/** The ids that end a generation. */
public final class StopTokens {
    private StopTokens() {
    }

    /**
     * Those of {@code generation_config.json}, of the configuration, and of the template by which an answer was asked for. A file that says
     * {@code null} adds none.
     *
     * @param model the checkpoint's directory
     * @param template null where a text is continued
     * @throws InputException where generation_config.json is broken
     */
    public static Set<Integer> of(Path model, ModelConfig config, @Nullable ChatTemplate template) {
        Set<Integer> ids = new LinkedHashSet<>(config.eosIds());
        Path file = model.resolve("generation_config.json");
        if (Files.exists(file)) {
            JsonNode eos = JsonFiles.read(file).path("eos_token_id");
            if (eos.isArray()) {
                eos.forEach(id -> ids.add(id(file, id)));
            } else if (!eos.isMissingNode() && !eos.isNull()) {
                ids.add(id(file, eos));
            }
        }
        if (template != null && template.endId() >= 0) {
            ids.add(template.endId());
        }
        return ids;
    }

    private static int id(Path file, JsonNode node) {
        if (!node.canConvertToInt() || !node.isIntegralNumber() || node.intValue() < 0) {
            throw new InputException(file + ": 'eos_token_id' has " + node + ", expected token ids, numbers from 0");
        }
        return node.intValue();
    }
}
