package io.sails4j.study;

import java.nio.file.Path;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.SequencedMap;
import org.jspecify.annotations.Nullable;

/**
 * What is asked.
 *
 * @param train prompts of objectives that sample answers; null where there is none of them
 * @param validation by which learning rates are chosen
 * @param tests by name, opened once, when all learning rates are chosen
 */
public record StudyPrompts(@Nullable Path train, Path validation, SequencedMap<String, Path> tests) {
    public StudyPrompts {
        tests = Collections.unmodifiableSequencedMap(new LinkedHashMap<>(tests));
    }
}
