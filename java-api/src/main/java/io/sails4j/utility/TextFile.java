package io.sails4j.utility;

import io.sails4j.InputException;
import io.sails4j.data.Origin;
import io.sails4j.data.RowFile;
import io.sails4j.files.ForeignFile;
import io.sails4j.files.JsonFiles;
import java.io.IOException;
import java.nio.charset.CharacterCodingException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.regex.Pattern;
import org.jspecify.annotations.Nullable;

/**
 * The documents of a file.
 *
 * @param column of a table that holds the texts, null where the file is one text
 * @param notes what was left out, for people
 */
public record TextFile(Path path, @Nullable String column, List<TextDocument> documents, List<String> notes) {
    private static final Pattern TEXT_NAME = Pattern.compile("(?i).*\\.(txt|text|md|raw|tokens)");

    public TextFile {
        documents = List.copyOf(documents);
        notes = List.copyOf(notes);
    }

    /**
     * Reads a file: text (NAME.txt, .text, .md, .raw, .tokens) is one document, every row of a table or of JSON lines another.
     *
     * @param column of a table that holds the texts, null = {@code text}
     * @throws InputException where there is no such column or no text
     */
    public static TextFile read(Path path, @Nullable String column) {
        ForeignFile.requireRegular(path);
        boolean whole = column == null && TEXT_NAME.matcher(path.getFileName().toString()).matches();
        String taken = whole ? null : column == null ? "text" : column;
        List<TextDocument> documents = new ArrayList<>();
        List<String> notes = new ArrayList<>();
        if (taken == null) {
            String text = text(path);
            if (!text.isBlank()) {
                documents.add(new TextDocument(text, Origin.line(path, 1)));
            }
        } else {
            RowFile file = RowFile.read(path);
            List<String> texts = file.texts(taken);
            for (RowFile.Row row : file.rows()) {
                String text = texts.get(Math.toIntExact(row.index()));
                if (!text.isBlank()) {
                    documents.add(new TextDocument(text, row.origin()));
                }
            }
            if (documents.size() < texts.size()) {
                notes.add(texts.size() - documents.size() + " of " + texts.size() + " rows have no text and are left out");
            }
        }
        if (documents.isEmpty()) {
            throw new InputException(path + " has no text, expected one or more documents");
        }
        return new TextFile(path, taken, documents, notes);
    }

    private static String text(Path path) {
        try {
            return JsonFiles.withoutMark(Files.readString(path));
        } catch (CharacterCodingException e) {
            throw new InputException(path + " is not valid UTF-8; convert the file (iconv -t UTF-8)", e);
        } catch (IOException e) {
            throw new InputException("cannot read " + path + ": " + e, e);
        }
    }
}
