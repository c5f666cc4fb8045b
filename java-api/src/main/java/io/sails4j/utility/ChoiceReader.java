package io.sails4j.utility;

import com.fasterxml.jackson.databind.JsonNode;
import io.sails4j.InputException;
import io.sails4j.data.RowFile;
import io.sails4j.files.ForeignFile;
import io.sails4j.files.JsonFiles;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.regex.Pattern;
import java.util.stream.IntStream;

/** Reads one file of questions. */
final class ChoiceReader {
    private static final Pattern TABLE = Pattern.compile("(?i).*\\.(csv|tsv)(\\.gz)?");
    private static final Pattern LETTER = Pattern.compile("[A-Z]");

    private final Path path;

    ChoiceReader(Path path) {
        this.path = path;
    }

    List<ChoiceQuestion> read() {
        ForeignFile.requireRegular(path);
        if (TABLE.matcher(path.getFileName().toString()).matches()) {
            RowFile plain = RowFile.readWithoutHeader(path);
            if (plain.columns().size() == 6 && LETTER.matcher(plain.rows().getFirst().values().getLast().strip()).matches()) {
                return plain.rows().stream().map(row -> question(row, row.values().getFirst(), row.values().subList(1, 5),
                    row.values().getLast(), letters(4), subjectOfName())).toList();
            }
        }
        RowFile file = RowFile.read(path);
        String answer = file.has("answer") ? "answer" : "answerKey";
        boolean lettered = file.has("A") && file.has("B");
        if (!file.has("question") || !file.has(answer) || !lettered && !file.has("choices")) {
            throw new InputException(path + " has the columns " + String.join(", ", file.columns())
                + ", expected question, choices and answer (cais/mmlu), answerKey in its place (ARC), question, A, B, C, D and answer, or"
                + " MMLU's own table of six columns without a header");
        }
        List<ChoiceQuestion> questions = new ArrayList<>();
        for (RowFile.Row row : file.rows()) {
            String subject = file.has("subject") ? cell(file, row, "subject") : "";
            String words = subject.isBlank() ? subjectOfName() : subject.strip().replace('_', ' ');
            String right = cell(file, row, answer);
            if (lettered) {
                List<String> present = letters(ChoiceQuestion.MOST).stream().filter(file::has).toList();
                questions
                    .add(question(row, cell(file, row, "question"), present.stream().map(name -> cell(file, row, name)).toList(), right,
                        present, words));
            } else {
                questions.add(listed(row, cell(file, row, "question"), cell(file, row, "choices"), right, words));
            }
        }
        return questions;
    }

    private static String cell(RowFile file, RowFile.Row row, String column) {
        return row.values().get(file.columns().indexOf(column));
    }

    private static List<String> letters(int count) {
        return IntStream.range(0, count).mapToObj(ChoiceQuestion::letter).toList();
    }

    /** MMLU's files are called subject_test.csv, and so on. */
    private String subjectOfName() {
        return path.getFileName().toString().replaceFirst("(\\.[A-Za-z]{1,7}){1,2}$", "").replaceFirst("_(test|dev|val|train)$", "")
            .replace('_', ' ');
    }

    /** A list of texts, or ARC's two lists of texts and labels. */
    private ChoiceQuestion listed(RowFile.Row row, String question, String json, String right, String subject) {
        JsonNode choices = JsonFiles.parse(json, "'choices' of " + row.origin());
        JsonNode texts = choices.isObject() ? choices.path("text") : choices;
        if (!texts.isArray()) {
            throw new InputException("'choices' of " + row.origin() + " is no list, expected the texts of the choices");
        }
        List<String> labels = new ArrayList<>();
        choices.path("label").forEach(label -> labels.add(label.asText()));
        List<String> found = new ArrayList<>();
        texts.forEach(text -> found.add(text.asText()));
        return question(row, question, found, right, labels.isEmpty() ? letters(found.size()) : labels, subject);
    }

    /** @param right a label of a choice, or its number from 0 */
    private static ChoiceQuestion question(RowFile.Row row, String question, List<String> choices, String right, List<String> labels,
        String subject) {
        String given = right.strip();
        int answer = labels.indexOf(given);
        if (answer < 0 && given.matches("[0-9]{1,2}")) {
            answer = Integer.parseInt(given);
        }
        if (choices.size() < 2 || choices.size() > ChoiceQuestion.MOST || answer < 0 || answer >= choices.size()) {
            throw new InputException(row.origin() + " has " + choices.size() + " choices and the answer '" + given
                + "', expected 2 to " + ChoiceQuestion.MOST + " choices and one of " + String.join(", ", labels) + " or its number from 0");
        }
        if (question.isBlank() || choices.stream().anyMatch(String::isEmpty)) {
            throw new InputException(row.origin() + " has an empty question or choice, expected text");
        }
        return new ChoiceQuestion(question, choices, answer, subject, row.origin());
    }
}
