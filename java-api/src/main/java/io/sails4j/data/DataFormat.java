package io.sails4j.data;

/** The formats of preference data that are read. A file is in one of them, which is found in its first usable records. */
public enum DataFormat {
    /** {@code chosen} and {@code rejected} are whole dialogues as text. */
    HH("HH-RLHF (dialogues as text)"),
    /** {@code prompt} is a dialogue as text that ends in {@code \n\nAssistant:}, answers stand apart. */
    FULL_HH("full-hh-rlhf (a dialogue as the prompt, answers apart)"),
    /** {@code prompt}, {@code chosen}, {@code rejected} as text. */
    TRL_TEXT("TRL (prompt and answers as text)"),
    /** {@code prompt}, {@code chosen}, {@code rejected} as lists of messages. */
    TRL_MESSAGES("TRL (prompt and answers as messages)"),
    /** {@code prompt} as a list of messages, answers as text. */
    MESSAGES_AND_TEXT("prompt as messages, answers as text"),
    /** {@code prompt} as text beside whole dialogues, or answers, as lists of messages. */
    ULTRAFEEDBACK("UltraFeedback-binarized (prompt as text, dialogues as messages)"),
    /** Whole dialogues as lists of messages, the prompt is what they have in common. */
    IMPLICIT("TRL (dialogues as messages, the prompt is their beginning)"),
    /** {@code system}, {@code question}, {@code chosen}, {@code rejected} as text. */
    ORCA("Orca DPO (system, question and answers as text)"),
    /** {@code prompt}, {@code response_0}, {@code response_1}, and which is safer. */
    PKU_SAFER("PKU-SafeRLHF (the safer answer is the aligned one)"),
    /** The same where nothing says which is safer. */
    PKU_BETTER("PKU-SafeRLHF without marks of safety (the better answer is the aligned one)"),
    /** {@code conversations} and one message {@code chosen}, one {@code rejected}. */
    SHAREGPT("ShareGPT (conversations, answers as messages)");

    private final String title;

    DataFormat(String title) {
        this.title = title;
    }

    /** Its name and what it looks like, for people. */
    public String title() {
        return title;
    }
}
