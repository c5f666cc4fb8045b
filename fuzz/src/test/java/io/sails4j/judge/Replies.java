package io.sails4j.judge;

import java.nio.file.Path;

/** What a judge's server, or somebody with its cache, can send. */
public final class Replies {
    private static final Exchange JUDGED = new Exchange("How?", "#thescore: 1 {\"score\": 1}");

    private Replies() {
    }

    /** Reads a file of cached replies, as a run that goes on does. */
    public static void cached(Path file) {
        new ReplyCache(file.getParent(), _ -> {}).close();
    }

    /** Reads the score in a reply. */
    public static void score(String reply) {
        ScoreReader.read(new ChatReply(reply, null, "stop"), JUDGED, 10);
    }
}
