package io.sails4j.lora;

/** Hears how a merge goes. */
public interface MergeListener {
    MergeListener NONE = new MergeListener() {
    };

    /** A sentence about the adapters' files ({@link LoraAdapter#notes()}). */
    default void note(String sentence) {
    }

    /** Bytes of the checkpoint that have been read, of all. */
    default void progress(long done, long total) {
    }
}
