package io.sails4j.study;

import io.sails4j.InputException;
import io.sails4j.eval.EvalPrompt;
import io.sails4j.eval.PromptFile;
import io.sails4j.files.FileHash;
import java.nio.file.Path;
import java.util.HashMap;
import java.util.Locale;
import java.util.Map;

/** Prompts that are asked where a model was trained or chosen on them, by the hash of their words. */
final class Leaks {
    private final Map<String, String> seen = new HashMap<>();

    /** @throws InputException where a request occurs in two places that must know nothing of one another */
    static void require(Study study) {
        Leaks leaks = new Leaks();
        leaks.add(PromptFile.ofPreferences(study.inputs().data()));
        leaks.add(PromptFile.ofPreferences(study.inputs().contrast()));
        Path train = study.prompts().train();
        if (train != null) {
            leaks.add(PromptFile.read(train));
        }
        PromptFile validation = PromptFile.read(study.prompts().validation());
        leaks.requireNew(validation);
        leaks.add(validation);
        study.prompts().tests().values().forEach(test -> leaks.requireNew(PromptFile.read(test)));
    }

    private void add(PromptFile file) {
        file.prompts().forEach(prompt -> seen.putIfAbsent(hash(prompt), prompt.origin().toString()));
    }

    private void requireNew(PromptFile file) {
        for (EvalPrompt prompt : file.prompts()) {
            String where = seen.get(hash(prompt));
            if (where != null) {
                throw new InputException(prompt.origin() + " asks what " + where + " has too; a prompt that is asked must occur neither in"
                    + " training data nor among the prompts to choose by: remove one of them");
            }
        }
    }

    private static String hash(EvalPrompt prompt) {
        return FileHash.sha256OfText(prompt.request().strip().replaceAll("\\s+", " ").toLowerCase(Locale.ROOT));
    }
}
