package io.sails4j.fuzz;

import io.sails4j.config.ModelConfig;
import io.sails4j.config.Projection;
import io.sails4j.data.Conversation;
import io.sails4j.data.PreferenceReader;
import io.sails4j.data.Templates;
import io.sails4j.data.TokenPairs;
import io.sails4j.io.NpzFile;
import io.sails4j.io.SafetensorsFile;
import io.sails4j.io.SafetensorsWriter;
import io.sails4j.io.ShardedTensors;
import io.sails4j.lora.LoraAdapter;
import io.sails4j.lora.LoraConfig;
import io.sails4j.ops.Engine;
import io.sails4j.ops.EngineOptions;
import io.sails4j.persistence.CheckpointStore;
import io.sails4j.sae.Sae;
import io.sails4j.subspace.SafetySubspace;
import io.sails4j.tensor.DType;
import io.sails4j.tensor.HostTensor;
import io.sails4j.trace.BatchFile;
import java.io.IOException;
import java.lang.foreign.ValueLayout;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.EnumSet;
import java.util.LinkedHashMap;
import java.util.Locale;
import java.util.Map;
import java.util.SequencedMap;

/** What reads foreign bytes, each over a file or a directory whose other files are right. */
enum Parsers {
    SAFETENSORS {
        @Override
        void read(Path root, byte[] input) throws IOException {
            try (SafetensorsFile file = SafetensorsFile.open(write(root, "x.safetensors", input))) {
                file.names().forEach(name -> file.tensor(name).data().toArray(ValueLayout.JAVA_BYTE));
            }
        }
    },
    /** The input is the header; its length and some data are put around it. */
    SAFETENSORS_HEADER {
        @Override
        void read(Path root, byte[] input) throws IOException {
            ByteBuffer whole = ByteBuffer.allocate(8 + input.length + 64).order(ByteOrder.LITTLE_ENDIAN);
            whole.putLong(input.length).put(input);
            SAFETENSORS.read(root, whole.array());
        }
    },
    SHARD_INDEX {
        @Override
        void read(Path root, byte[] input) throws IOException {
            write(root, "model.safetensors.index.json", input);
            try (ShardedTensors tensors = ShardedTensors.open(root)) {
                tensors.names().forEach(tensors::tensor);
            }
        }
    },
    NPZ {
        @Override
        void read(Path root, byte[] input) throws IOException {
            try (NpzFile file = NpzFile.open(write(root, "x.npz", input))) {
                file.names().forEach(name -> file.array(name).data().toArray(ValueLayout.JAVA_BYTE));
            }
        }
    },
    MODEL_CONFIG {
        @Override
        void read(Path root, byte[] input) throws IOException {
            ModelConfig.readFile(write(root, "config.json", input)).parameterCount();
        }
    },
    ADAPTER_CONFIG {
        @Override
        void read(Path root, byte[] input) throws IOException {
            write(root, "adapter_config.json", input);
            LoraAdapter.load(root, MODEL, engine()).close();
        }
    },
    ADAPTER_WEIGHTS {
        @Override
        void read(Path root, byte[] input) throws IOException {
            write(root, "adapter_model.safetensors", input);
            LoraAdapter.load(root, MODEL, engine()).close();
        }
    },
    SAE_LENS {
        @Override
        void read(Path root, byte[] input) throws IOException {
            write(root, "cfg.json", input);
            Sae.load(root, engine()).close();
        }
    },
    LLAMA_SCOPE {
        @Override
        void read(Path root, byte[] input) throws IOException {
            write(root, "hyperparams.json", input);
            Sae.load(root, engine()).close();
        }
    },
    SPARSIFY {
        @Override
        void read(Path root, byte[] input) throws IOException {
            write(root, "cfg.json", input);
            Sae.load(root, engine()).close();
        }
    },
    CHAT_TEMPLATE {
        @Override
        void read(Path root, byte[] input) {
            Templates.render(new String(input, StandardCharsets.UTF_8));
        }
    },
    CONVERSATION {
        @Override
        void read(Path root, byte[] input) throws IOException {
            Conversation.read(write(root, "messages.json", input));
        }
    },
    PREFERENCES {
        @Override
        void read(Path root, byte[] input) throws IOException {
            PreferenceReader.read(write(root, "pairs.jsonl", input));
        }
    },
    TOKEN_PAIRS {
        @Override
        void read(Path root, byte[] input) throws IOException {
            TokenPairs.read(write(root, "pairs.safetensors", input));
        }
    },
    BATCH {
        @Override
        void read(Path root, byte[] input) throws IOException {
            BatchFile.read(write(root, "batch.safetensors", input));
        }
    },
    SUBSPACE {
        @Override
        void read(Path root, byte[] input) throws IOException {
            SafetySubspace.read(write(root, "subspace.safetensors", input));
        }
    },
    CHECKPOINT {
        @Override
        void read(Path root, byte[] input) throws IOException {
            // The marks of a checkpoint; its other files are of the same bytes, so that a hash can be right.
            Path step = Files.createDirectories(root.resolve("checkpoints/step-0000000001"));
            for (String name : new String[] {"run.json", "state.safetensors", "COMPLETE"}) {
                Files.write(step.resolve(name), input);
            }
            Files.write(root.resolve("checkpoints/latest"), input);
            new CheckpointStore(root.resolve("checkpoints"), 2).newest();
        }
    };

    private static final int D = 4;
    private static final int D_SAE = 6;
    static final ModelConfig MODEL = ModelConfig.llama3().vocabSize(11).dModel(D).layers(1).heads(1, 1).headDim(4).dFf(6)
        .maxPositionEmbeddings(16).checkpointDtype(DType.F32).build();

    /** Opened once: a fuzzer does not end what it began. */
    private static final class Opened {
        private static final Engine ENGINE = Engine.open(new EngineOptions("cpu", 1, ""));
    }

    private static Engine engine() {
        return Opened.ENGINE;
    }

    /** Reads the input as a file under {@code root}, which {@link #prepare} has made. */
    abstract void read(Path root, byte[] input) throws IOException;

    private static Path write(Path root, String name, byte[] input) throws IOException {
        return Files.write(root.resolve(name), input);
    }

    String label() {
        return name().toLowerCase(Locale.ROOT).replace('_', '-');
    }

    static Parsers named(String label) {
        return valueOf(label.toUpperCase(Locale.ROOT).replace('-', '_'));
    }

    /** The files beside the one that is fuzzed. */
    void prepare(Path root) throws IOException {
        switch (this) {
            case ADAPTER_CONFIG, ADAPTER_WEIGHTS -> {
                LoraConfig config = LoraConfig.uniform(MODEL, EnumSet.of(Projection.Q_PROJ), 2, 2, "m");
                try (LoraAdapter adapter = LoraAdapter.create(config, MODEL, engine().device())) {
                    adapter.writeInto(root);
                }
            }
            case SAE_LENS -> write(root, "sae_weights.safetensors", Map.of("W_enc", new long[] {D, D_SAE}, "W_dec",
                new long[] {D_SAE, D}, "b_enc", new long[] {D_SAE}, "b_dec", new long[] {D}, "threshold", new long[] {D_SAE}));
            case LLAMA_SCOPE -> write(root, "final.safetensors", Map.of("encoder.weight", new long[] {D_SAE, D}, "encoder.bias",
                new long[] {D_SAE}, "decoder.weight", new long[] {D, D_SAE}, "decoder.bias", new long[] {D}));
            case SPARSIFY -> write(root, "sae.safetensors", Map.of("encoder.weight", new long[] {D_SAE, D}, "encoder.bias",
                new long[] {D_SAE}, "W_dec", new long[] {D_SAE, D}, "b_dec", new long[] {D}));
            case SHARD_INDEX -> write(root, "a.safetensors", Map.of("a", new long[] {2}));
            default -> {
            }
        }
    }

    private static void write(Path root, String name, Map<String, long[]> shapes) {
        SequencedMap<String, HostTensor> tensors = new LinkedHashMap<>();
        shapes.forEach((tensor, dims) -> {
            int n = 1;
            for (long dim : dims) {
                n *= (int) dim;
            }
            float[] values = new float[n];
            for (int i = 0; i < n; i++) {
                values[i] = 0.25f * (i % 7 + 1);
            }
            tensors.put(tensor, HostTensor.ofFloats(values, dims));
        });
        SafetensorsWriter.write(root.resolve(name), tensors, Map.of());
    }
}
