package io.sails4j.utility;

import io.sails4j.InputException;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.stream.Stream;

/**
 * The questions of a file, or of all files of a directory.
 *
 * @param path that was read
 */
public record ChoiceFile(Path path, List<ChoiceQuestion> questions) {
    public ChoiceFile {
        questions = List.copyOf(questions);
    }

    /**
     * Reads questions: MMLU's own files (Hendrycks et al.: question, four choices, the right one's letter, no header; the subject is the
     * file's name), or rows of {@code question}, {@code choices} and {@code answer} as cais/mmlu and ARC have them, with {@code subject}
     * where there is one, as Parquet or JSON; or a table with the columns question, A, B, C, D and answer.
     *
     * @param path a file, or a directory whose files are read in the order of their names
     * @throws InputException where a row is no question with one right answer
     */
    public static ChoiceFile read(Path path) {
        List<ChoiceQuestion> questions = new ArrayList<>();
        files(path).forEach(file -> questions.addAll(new ChoiceReader(file).read()));
        if (questions.isEmpty()) {
            throw new InputException(path + " has no questions, expected one or more");
        }
        return new ChoiceFile(path, questions);
    }

    private static List<Path> files(Path path) {
        if (!Files.isDirectory(path)) {
            return List.of(path);
        }
        try (Stream<Path> files = Files.list(path)) {
            return files.filter(file -> Files.isRegularFile(file) && !file.getFileName().toString().startsWith(".")).sorted().toList();
        } catch (IOException e) {
            throw new UncheckedIOException(path + " cannot be listed", e);
        }
    }

    /** The same with the first so many questions of each subject, 0 = all. */
    public ChoiceFile firstOfEachSubject(int most) {
        Map<String, Integer> seen = new LinkedHashMap<>();
        return most == 0 ? this
            : new ChoiceFile(path, questions.stream().filter(question -> seen.merge(question.subject(), 1, Integer::sum) <= most).toList());
    }

    /** The subjects in the order of their first questions. */
    public List<String> subjects() {
        return questions.stream().map(ChoiceQuestion::subject).distinct().toList();
    }
}
