package io.sails4j.judge;

import java.util.List;

/** Judges answers. One thread at a time. */
public interface Judge extends AutoCloseable {
    /** The name in files and tables, the same for the same judge: {@code refusal}, {@code endpoint:gpt-4}, {@code model:gemma-2-9b-it}. */
    String name();

    /**
     * Judges several answers, each as it would be alone.
     *
     * @return a judgement for each exchange, in their order
     */
    List<Judgement> judge(List<Exchange> exchanges);

    /** How many answers are best given at a time: more than work beside one another, few enough to tell progress. */
    default int batch() {
        return 32;
    }

    @Override
    void close();
}
