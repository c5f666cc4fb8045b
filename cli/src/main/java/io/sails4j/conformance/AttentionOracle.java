package io.sails4j.conformance;

import io.sails4j.ops.AttentionShape;

/**
 * Attention as sails.h defines it, in double precision, one query and head at a time, with how far float32 sums may be off. In bfloat16 the
 * probabilities and their gradients may be rounded to bfloat16 before they are multiplied, which matrix instructions demand.
 */
final class AttentionOracle {
    private final AttentionShape s;
    private final double[] q;
    private final double[] k;
    private final double[] v;
    private final double[] qSegment;
    private final double[] kSegment;
    private final double rounding;

    /** @param lowPrecision whether products are of bfloat16 */
    AttentionOracle(AttentionShape shape, double[] q, double[] k, double[] v, double[] qSegment, double[] kSegment, boolean lowPrecision) {
        this.s = shape;
        this.q = q;
        this.k = k;
        this.v = v;
        this.qSegment = qSegment;
        this.kSegment = kSegment;
        this.rounding = lowPrecision ? Sum.EPS_BF16 : 0;
    }

    private int headDim() {
        return (int) s.headDim();
    }

    private int qAt(int b, int i, int head) {
        return (int) (((b * s.nQueries() + i) * s.nHeads() + head) * s.headDim());
    }

    private int kvHead(int head) {
        return (int) (head / (s.nHeads() / s.nKvHeads()));
    }

    private int kvAt(int b, int j, int head) {
        return (int) (b * s.kvBatchStride() + (j * s.nKvHeads() + kvHead(head)) * s.headDim());
    }

    /** The same in dk and dv, which are dense. */
    private int denseAt(int b, int j, int head) {
        return (int) (((b * s.nKeys() + j) * s.nKvHeads() + kvHead(head)) * s.headDim());
    }

    private boolean visible(int b, int i, int j) {
        long p = s.queryOffset() + i;
        double segment = qSegment[(int) (b * s.nQueries() + i)];
        return j <= p && segment != 0 && kSegment[(int) (b * s.nKeys() + j)] == segment && (s.window() == 0 || p - j < s.window());
    }

    /** The probabilities of one query and head, the log sum of exponentials, and their relative errors. */
    private final class Row {
        final int b;
        final int i;
        final int head;
        final int n = (int) s.nKeys();
        final double[] score = new double[n];
        final double[] scoreError = new double[n];
        final double[] p = new double[n];
        double lse = Double.NEGATIVE_INFINITY;
        double lseError;

        Row(int b, int i, int head) {
            this.b = b;
            this.i = i;
            this.head = head;
            double max = Double.NEGATIVE_INFINITY;
            for (int j = 0; j < n; j++) {
                score[j] = Double.NEGATIVE_INFINITY;
                if (visible(b, i, j)) {
                    score(j);
                    max = Math.max(max, score[j]);
                }
            }
            if (max == Double.NEGATIVE_INFINITY) {
                return;
            }
            double total = 0;
            for (double x : score) {
                total += Math.exp(x - max);
            }
            lse = max + Math.log(total);
            int seen = 0;
            for (int j = 0; j < n; j++) {
                p[j] = Math.exp(score[j] - lse);
                lseError += p[j] * scoreError[j];
                seen += p[j] > 0 ? 1 : 0;
            }
            lseError += Sum.EPS * (Math.sqrt(seen) + 6 + 2 * Math.abs(lse));
        }

        private void score(int j) {
            Sum dot = new Sum();
            for (int d = 0; d < headDim(); d++) {
                dot.add(q[qAt(b, i, head) + d] * k[kvAt(b, j, head) + d]);
            }
            double raw = s.scale() * dot.value();
            score[j] = s.softcap() == 0 ? raw : s.softcap() * Math.tanh(raw / s.softcap());
            scoreError[j] = s.scale() * dot.error() + 5 * Sum.EPS * Math.abs(raw);
        }

        double pError(int j) {
            return p[j] * (scoreError[j] + lseError + 4 * Sum.EPS);
        }
    }

    @FunctionalInterface
    private interface RowBody {
        void accept(Row row);
    }

    private void forEachRow(RowBody body) {
        for (int b = 0; b < s.batch(); b++) {
            for (int head = 0; head < s.nHeads(); head++) {
                for (int i = 0; i < s.nQueries(); i++) {
                    body.accept(new Row(b, i, head));
                }
            }
        }
    }

    /** Values and their errors. */
    record Forward(Sum[] out, double[] lse, double[] lseError) {
    }

    Forward forward() {
        Sum[] out = sums(s.queryElements());
        int rows = (int) (s.batch() * s.nHeads() * s.nQueries());
        double[] lse = new double[rows];
        double[] lseError = new double[rows];
        forEachRow(row -> {
            int at = lseAt(row.b, row.head, row.i);
            lse[at] = row.lse;
            lseError[at] = row.lseError;
            for (int j = 0; j < row.n; j++) {
                for (int d = 0; d < headDim(); d++) {
                    double value = v[kvAt(row.b, j, row.head) + d];
                    if (row.p[j] > 0) {
                        out[qAt(row.b, row.i, row.head) + d].add(row.p[j] * value, Math.abs(value) * (row.pError(j) + rounding * row.p[j]));
                    }
                }
            }
        });
        return new Forward(out, lse, lseError);
    }

    int lseAt(int b, int head, int i) {
        return (int) ((b * s.nHeads() + head) * s.nQueries() + i);
    }

    /** Gradients of sum(dout * out) with their errors; dk and dv are dense. */
    record Backward(Sum[] dq, Sum[] dk, Sum[] dv) {
    }

    Backward backward(double[] dout) {
        Sum[] dq = sums(s.queryElements());
        Sum[] dk = sums(s.denseKvElements());
        Sum[] dv = sums(s.denseKvElements());
        forEachRow(row -> {
            Sum[] dp = new Sum[row.n];
            Sum delta = new Sum();
            for (int j = 0; j < row.n; j++) {
                dp[j] = dp(row, j, dout);
                if (row.p[j] > 0) {
                    delta.add(row.p[j] * dp[j].value(), row.pError(j) * Math.abs(dp[j].value())
                        + row.p[j] * (dp[j].error() + rounding * dp[j].magnitude()));
                }
            }
            for (int j = 0; j < row.n; j++) {
                if (row.p[j] > 0) {
                    addGradients(row, j, dout, dp[j], delta, new Backward(dq, dk, dv));
                }
            }
        });
        return new Backward(dq, dk, dv);
    }

    private Sum dp(Row row, int j, double[] dout) {
        Sum sum = new Sum();
        for (int d = 0; row.p[j] > 0 && d < headDim(); d++) {
            sum.add(dout[qAt(row.b, row.i, row.head) + d] * v[kvAt(row.b, j, row.head) + d]);
        }
        return sum;
    }

    private void addGradients(Row row, int j, double[] dout, Sum dp, Sum delta, Backward out) {
        double share = s.softcap() == 0 ? 0 : row.score[j] / s.softcap();
        double slope = s.scale() * (1 - share * share);
        double slopeError = Math.abs(s.scale()) * (4 * Sum.EPS + (s.softcap() == 0 ? 0
            : 2 * Math.abs(share) * row.scoreError[j] / s.softcap()));
        double difference = dp.value() - delta.value();
        double ds = row.p[j] * difference * slope;
        double dsError = Math.abs(slope) * (row.pError(j) * Math.abs(difference) + row.p[j] * (dp.error() + delta.error()))
            + row.p[j] * Math.abs(difference) * slopeError + 3 * Sum.EPS * Math.abs(ds) + rounding * Math.abs(ds);
        for (int d = 0; d < headDim(); d++) {
            int qi = qAt(row.b, row.i, row.head) + d;
            int ki = kvAt(row.b, j, row.head) + d;
            int di = denseAt(row.b, j, row.head) + d;
            out.dq()[qi].add(ds * k[ki], dsError * Math.abs(k[ki]));
            out.dk()[di].add(ds * q[qi], dsError * Math.abs(q[qi]));
            out.dv()[di].add(row.p[j] * dout[qi], (row.pError(j) + rounding * row.p[j]) * Math.abs(dout[qi]));
        }
    }

    private static Sum[] sums(long n) {
        Sum[] sums = new Sum[(int) n];
        for (int i = 0; i < sums.length; i++) {
            sums[i] = new Sum();
        }
        return sums;
    }
}
