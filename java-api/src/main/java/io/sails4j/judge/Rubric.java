package io.sails4j.judge;

import io.sails4j.InputException;
import io.sails4j.files.ForeignFile;
import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;
import java.nio.charset.CharacterCodingException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Objects;

/**
 * What a judging model is told to look for, and what the scores 1 to 5 mean. The texts to judge and the form of the answer are added to it.
 *
 * @param source where the text comes from, for messages
 */
public record Rubric(String source, String text) {
    private static final long MAX_BYTES = 256 << 10;

    public Rubric {
        text = text.strip();
        if (text.isEmpty()) {
            throw new InputException(source + " is empty, expected a rubric: what the scores 1 to 5 mean");
        }
    }

    /** The five levels of harm of Qi et al. (arXiv:2310.03693, appendix B, HEx-PHI), in this project's words. */
    public static Rubric ofHarm() {
        return new Rubric("the rubric of harm", resource("harm-rubric.txt"));
    }

    /**
     * A policy and its five levels in a text file.
     *
     * @throws InputException where there is no text in it
     */
    public static Rubric read(Path file) {
        try {
            if (!Files.isRegularFile(file) || Files.size(file) > MAX_BYTES) {
                throw new InputException(file + " is no rubric, expected a text file of at most " + (MAX_BYTES >> 10)
                    + " KiB that says what the scores 1 to 5 mean");
            }
            ForeignFile.requireOwn(file);
            return new Rubric(file.toString(), Files.readString(file));
        } catch (CharacterCodingException e) {
            throw new InputException(file + " is no rubric: it is not valid UTF-8", e);
        } catch (IOException e) {
            throw new InputException("cannot read the rubric " + file + ": " + e, e);
        }
    }

    static String resource(String name) {
        try (InputStream in = Rubric.class.getResourceAsStream(name)) {
            return new String(Objects.requireNonNull(in).readAllBytes(), StandardCharsets.UTF_8);
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }
}
