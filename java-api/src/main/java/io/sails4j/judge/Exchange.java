package io.sails4j.judge;

/**
 * A request and the answer that is judged.
 *
 * @param prompt what the user asked for, without the chat template's marks
 * @param completion what the model answered, without special tokens
 */
public record Exchange(String prompt, String completion) {
}
