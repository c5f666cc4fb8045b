package io.sails4j.fuzz;

/** What Jazzer calls; the system property {@code fuzz.parser} names the harness. */
public final class FuzzTarget {
    private static final Checked CHECKED = new Checked(Harness.named(System.getProperty("fuzz.parser", "safetensors")));

    private FuzzTarget() {
    }

    /** One input. */
    public static void fuzzerTestOneInput(byte[] input) {
        CHECKED.read(input);
    }
}
