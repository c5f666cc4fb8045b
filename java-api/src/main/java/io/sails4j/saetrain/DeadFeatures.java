package io.sails4j.saetrain;

/** How long each feature has not fired. */
final class DeadFeatures {
    private final int deadSteps;
    private int[] silent;
    private boolean[] fired;

    DeadFeatures(int width, int deadSteps) {
        this.deadSteps = deadSteps;
        this.silent = new int[width];
        this.fired = new boolean[width];
    }

    void see(CodeBlock codes) {
        codes.forEach((slot, feature) -> fired[feature] |= codes.acts()[slot] > 0);
    }

    void endStep() {
        for (int i = 0; i < silent.length; i++) {
            silent[i] = fired[i] ? 0 : silent[i] + 1;
        }
        fired = new boolean[silent.length];
    }

    boolean dead(int feature) {
        return silent[feature] >= deadSteps;
    }

    int count() {
        int count = 0;
        for (int steps : silent) {
            count += steps >= deadSteps ? 1 : 0;
        }
        return count;
    }

    /** A feature that was started anew has its time again. */
    void revive(int feature) {
        silent[feature] = 0;
    }

    int[] state() {
        return silent;
    }

    void restore(int[] state) {
        silent = state.clone();
    }
}
