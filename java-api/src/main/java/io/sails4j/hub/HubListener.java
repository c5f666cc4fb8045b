package io.sails4j.hub;

/** Hears how far a download is. */
@FunctionalInterface
public interface HubListener {
    /** Bytes of all files that are there, of how many, and the file at work. */
    void progress(long doneBytes, long totalBytes, String file);

    /** A sentence on something that a person may want to know: a wait, a file that is fetched again. */
    default void note(String sentence) {
    }

    /** One that hears nothing. */
    static HubListener none() {
        return (done, total, file) -> {};
    }
}
