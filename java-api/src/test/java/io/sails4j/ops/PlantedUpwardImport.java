package io.sails4j.ops;

import io.sails4j.model.TokenBatch;

/** What RoomsTest must find: an operation that knows a model. */
public final class PlantedUpwardImport {
    private PlantedUpwardImport() {
    }

    static int rows(TokenBatch batch) {
        return batch.batch();
    }
}
