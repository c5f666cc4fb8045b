package io.sails4j.parity;

import io.sails4j.ops.Engine;
import io.sails4j.tensor.DType;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.function.Consumer;

/** All of the reference data on one engine, in parts of which each makes a table. */
public enum ParitySuite {
    MODELS_F32("models, float32 arithmetic") {
        @Override
        void run(Engine engine, Reference reference, ParityTable table) {
            new ModelParity(reference).run(engine, DType.F32, table);
        }
    },
    MODELS_BF16("models, bfloat16 arithmetic") {
        @Override
        void run(Engine engine, Reference reference, ParityTable table) {
            new ModelParity(reference).run(engine, DType.BF16, table);
        }
    },
    AUTOENCODERS("sparse autoencoders, float32 arithmetic") {
        @Override
        void run(Engine engine, Reference reference, ParityTable table) {
            new SaeParity(reference).run(engine, table);
        }
    },
    SUBSPACES("subspaces and the chain, float32 arithmetic") {
        @Override
        void run(Engine engine, Reference reference, ParityTable table) {
            new SubspaceParity(reference).run(engine, table);
        }
    },
    TRAINING_F32("training, float32 arithmetic") {
        @Override
        void run(Engine engine, Reference reference, ParityTable table) {
            new TrainingParity(reference).run(engine, DType.F32, table);
        }
    },
    TRAINING_BF16("training, bfloat16 arithmetic") {
        @Override
        void run(Engine engine, Reference reference, ParityTable table) {
            new TrainingParity(reference).run(engine, DType.BF16, table);
        }
    };

    private final String title;

    ParitySuite(String title) {
        this.title = title;
    }

    abstract void run(Engine engine, Reference reference, ParityTable table);

    /** Compares this part. */
    public ParityTable run(Engine engine, Reference reference) {
        ParityTable table = new ParityTable(title + ", " + engine.backend().name().toLowerCase(Locale.ROOT));
        run(engine, reference, table);
        return table;
    }

    /**
     * Compares everything.
     *
     * @param progress told of each table as it comes
     */
    public static List<ParityTable> runAll(Engine engine, Reference reference, Consumer<ParityTable> progress) {
        List<ParityTable> tables = new ArrayList<>();
        for (ParitySuite part : values()) {
            tables.add(part.run(engine, reference));
            progress.accept(tables.getLast());
        }
        return tables;
    }
}
