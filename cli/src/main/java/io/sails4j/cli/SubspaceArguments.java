package io.sails4j.cli;

import io.sails4j.subspace.Pooling;
import io.sails4j.subspace.SubspaceOptions;
import picocli.CommandLine.Option;

/** How a subspace is made from feature scores. */
final class SubspaceArguments {
    @Option(names = "--top-k", defaultValue = "64", paramLabel = "K", description = "features kept in each layer (default: ${DEFAULT-VALUE})")
    private int topK;

    @Option(names = "--variance", defaultValue = "0.8", paramLabel = "TAU",
        description = "share of the directions' variance that the subspace explains (default: ${DEFAULT-VALUE})")
    private double variance;

    @Option(names = "--centre", defaultValue = "true", arity = "1", paramLabel = "true|false",
        description = "subtract the mean direction before the PCA (default: ${DEFAULT-VALUE})")
    private boolean centre;

    @Option(names = "--unit-rows", defaultValue = "false", arity = "1", paramLabel = "true|false",
        description = "scale the directions to length 1 first (default: ${DEFAULT-VALUE})")
    private boolean unitRows;

    @Option(names = "--pool", defaultValue = "token", paramLabel = "token|sequence|last",
        description = "average activations over tokens, sequences, or last tokens (default: ${DEFAULT-VALUE})")
    private Pooling pool;

    @Option(names = "--feature-batch-tokens", defaultValue = "4096", paramLabel = "N",
        description = "padded tokens in a batch of the pass that collects features (default: ${DEFAULT-VALUE})")
    private int batchTokens;

    SubspaceOptions options() {
        return new SubspaceOptions(topK, variance, centre, unitRows, pool, batchTokens);
    }
}
