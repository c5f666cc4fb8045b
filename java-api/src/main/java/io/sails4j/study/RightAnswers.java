package io.sails4j.study;

import io.sails4j.InputException;
import io.sails4j.data.RowFile;
import java.nio.file.Path;
import java.util.HashMap;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/** The one right answer of each prompt of which it is known. */
final class RightAnswers {
    private final Map<String, String> answers = new HashMap<>();

    /** @param file a table or JSON lines with the columns prompt and compliance; null = nothing is known */
    static RightAnswers read(@Nullable Path file) {
        RightAnswers right = new RightAnswers();
        if (file == null) {
            return right;
        }
        RowFile rows = RowFile.read(file);
        if (!rows.has("prompt") || !rows.has("compliance")) {
            throw new InputException(file + " has the columns " + String.join(", ", rows.columns()) + ", expected prompt and compliance");
        }
        int prompt = rows.columns().indexOf("prompt");
        int answer = rows.columns().indexOf("compliance");
        rows.rows().forEach(row -> right.answers.put(row.values().get(prompt).strip(), row.values().get(answer).strip()));
        return right;
    }

    /** Whether an answer is the right one; null where that is not known. */
    @Nullable
    Boolean isRight(String prompt, String answer) {
        String right = answers.get(prompt.strip());
        return right == null ? null : right.equals(answer.strip());
    }
}
