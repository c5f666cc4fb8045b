package io.sails4j.judge;

/** What came of a question that a server took. */
sealed interface ChatOutcome permits ChatReply, ChatOutcome.Unanswered {
    /**
     * The server has no answer to this one, and will have none.
     *
     * @param reason a sentence
     */
    record Unanswered(String reason) implements ChatOutcome {
    }
}
