package io.sails4j.persistence;

import io.sails4j.loop.StepMetrics;
import io.sails4j.ops.MatmulPeak;
import io.sails4j.watch.TensorBoardWriter;
import java.io.IOException;
import java.net.InetAddress;
import java.net.UnknownHostException;
import java.nio.file.Path;
import org.jspecify.annotations.Nullable;

/** Everything that is written about a run while it goes on: the lines of {@code metrics.jsonl} and TensorBoard's events. */
final class RunWatch implements AutoCloseable {
    private final MetricsFile metrics;
    private final MatmulPeak peak;
    private @Nullable TensorBoardWriter board;

    /** @param directory of the event files; each start of the run adds one */
    RunWatch(MetricsFile metrics, Path directory, MatmulPeak peak) {
        this.metrics = metrics;
        this.peak = peak;
        try {
            board = new TensorBoardWriter(directory, System.currentTimeMillis() / 1000, host());
        } catch (IOException e) {
            failed(e);
        }
    }

    private static String host() {
        try {
            return InetAddress.getLocalHost().getHostName();
        } catch (UnknownHostException e) {
            return "localhost";
        }
    }

    void step(StepMetrics step) {
        double mfu = step.flopsPerSecond() / peak.flopsPerSecond();
        metrics.step(step, mfu);
        scalar("train/loss", step.step(), step.loss());
        scalar("train/grad_norm", step.step(), step.gradNorm());
        scalar("train/learning_rate", step.step(), step.lr());
        scalar("train/tokens_per_s", step.step(), step.tokensPerSecond());
        scalar("train/mfu", step.step(), mfu);
        scalar("train/memory_bytes", step.step(), step.memoryBytes());
        if (!Double.isNaN(step.shareInside())) {
            scalar("train/share_inside", step.step(), step.shareInside());
        }
        if (step.policy() != null) {
            PolicyNumbers.of(step.policy()).forEach((name, value) -> scalar("train/" + name, step.step(), value));
        }
    }

    void evaluation(String moment, long step, Evaluation evaluation) {
        metrics.evaluation(moment, step, evaluation);
        scalar("eval/loss", step, evaluation.loss());
        if (!Double.isNaN(evaluation.rewardMargin())) {
            scalar("eval/reward_margin", step, evaluation.rewardMargin());
            scalar("eval/reward_accuracy", step, evaluation.rewardAccuracy());
        }
        if (evaluation.policy() != null) {
            PolicyNumbers.of(evaluation.policy()).forEach((name, value) -> scalar("eval/" + name, step, value));
        }
    }

    private void scalar(String tag, long step, double value) {
        if (board != null) {
            try {
                board.scalar(tag, step, System.currentTimeMillis() * 1e-3, value);
            } catch (IOException e) {
                failed(e);
            }
        }
    }

    private void failed(IOException e) {
        Log.warning("cannot write TensorBoard's events: " + e.getMessage() + "; the run goes on without them");
        board = null;
    }

    @Override
    public void close() {
        metrics.close();
        if (board != null) {
            try {
                board.close();
            } catch (IOException e) {
                failed(e);
            }
        }
    }
}
