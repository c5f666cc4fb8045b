package io.sails4j.cli;

import io.sails4j.data.Progress;
import io.sails4j.eval.EvalProgress;
import org.jspecify.annotations.Nullable;

/** One progress bar after another. */
final class Bars implements EvalProgress, AutoCloseable {
    private final CommonOptions common;
    private @Nullable ProgressBar bar;

    Bars(CommonOptions common) {
        this.common = common;
    }

    @Override
    public Progress begin(String part) {
        end();
        ProgressBar next = common.progress(part);
        bar = next;
        return next;
    }

    @Override
    public void close() {
        end();
    }

    void end() {
        if (bar != null) {
            bar.close();
            bar = null;
        }
    }
}
