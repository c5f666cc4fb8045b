package io.sails4j.study;

import java.nio.file.Path;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.SequencedMap;
import org.jspecify.annotations.Nullable;

/**
 * What is asked.
 *
 * @param train prompts of objectives that sample answers; null where there is none of them
 * @param validation by which learning rates are chosen
 * @param tests by name, opened once, when all learning rates are chosen
 * @param attacks on what was trained, of different names
 */
public record StudyPrompts(@Nullable Path train, Path validation, SequencedMap<String, Path> tests, List<StudyAttack> attacks) {
    public StudyPrompts {
        attacks = List.copyOf(attacks);
        tests = Collections.unmodifiableSequencedMap(new LinkedHashMap<>(tests));
    }
}
