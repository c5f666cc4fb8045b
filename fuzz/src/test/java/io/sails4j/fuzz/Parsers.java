package io.sails4j.fuzz;

import com.fasterxml.jackson.databind.JsonNode;
import io.sails4j.config.ModelConfig;
import io.sails4j.config.Projection;
import io.sails4j.data.Conversation;
import io.sails4j.data.ParquetFiles;
import io.sails4j.data.PreferenceReader;
import io.sails4j.data.RowFile;
import io.sails4j.data.StopTokens;
import io.sails4j.data.Templates;
import io.sails4j.data.TokenPairs;
import io.sails4j.data.Tokenizer;
import io.sails4j.eval.Journal;
import io.sails4j.eval.LabelledAnswers;
import io.sails4j.eval.PromptFile;
import io.sails4j.io.NpzFile;
import io.sails4j.io.SafetensorsFile;
import io.sails4j.io.SafetensorsWriter;
import io.sails4j.io.ShardedTensors;
import io.sails4j.judge.Replies;
import io.sails4j.lora.LoraAdapter;
import io.sails4j.lora.LoraConfig;
import io.sails4j.ops.Engine;
import io.sails4j.ops.EngineOptions;
import io.sails4j.persistence.CheckpointStore;
import io.sails4j.report.Reports;
import io.sails4j.sae.Sae;
import io.sails4j.subspace.SafetySubspace;
import io.sails4j.tensor.DType;
import io.sails4j.tensor.HostTensor;
import io.sails4j.trace.BatchFile;
import io.sails4j.utility.ChoiceFile;
import io.sails4j.utility.TextFile;
import java.io.IOException;
import java.lang.foreign.ValueLayout;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.util.EnumSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Objects;
import java.util.SequencedMap;

/** What reads foreign bytes, each over a file or a directory whose other files are right. */
enum Parsers {
    SAFETENSORS("x.safetensors", Parsers::safetensors),
    /** The input is the header; its length and some data are put around it. */
    SAFETENSORS_HEADER("x.safetensors", Parsers::safetensors) {
        @Override
        byte[] content(byte[] input) {
            return ByteBuffer.allocate(8 + input.length + 64).order(ByteOrder.LITTLE_ENDIAN).putLong(input.length).put(input).array();
        }
    },
    SHARD_INDEX("model.safetensors.index.json", file -> {
        try (ShardedTensors tensors = ShardedTensors.open(file.getParent())) {
            tensors.names().forEach(tensors::tensor);
        }
    }),
    NPZ("x.npz", file -> {
        try (NpzFile arrays = NpzFile.open(file)) {
            arrays.names().forEach(name -> arrays.array(name).data().toArray(ValueLayout.JAVA_BYTE));
        }
    }),
    MODEL_CONFIG("config.json", file -> ModelConfig.readFile(file).parameterCount()),
    ADAPTER_CONFIG("adapter_config.json", Parsers::adapter),
    ADAPTER_WEIGHTS("adapter_model.safetensors", Parsers::adapter),
    GEMMA_SCOPE("params.npz", Parsers::sae),
    SAE_LENS("cfg.json", Parsers::sae),
    LLAMA_SCOPE("hyperparams.json", Parsers::sae),
    SPARSIFY("cfg.json", Parsers::sae),
    CHAT_TEMPLATE("template.jinja", file -> Templates.render(new String(Files.readAllBytes(file), StandardCharsets.UTF_8))),
    /** What passes the checks is used: the library below ends the process where it does not like something. */
    TOKENIZER("tokenizer.json", Parsers::tokenizer),
    CONVERSATION("messages.json", Conversation::read),
    GENERATION_CONFIG("generation_config.json", Parsers::stops),
    JUDGE_CACHE("replies.jsonl", Replies::cached),
    JUDGE_REPLY("reply.txt", file -> Replies.score(new String(Files.readAllBytes(file), StandardCharsets.UTF_8))),
    /** The first byte is the status of HTTP, from 200. */
    JUDGE_SERVER("answer.bin", file -> Replies.answered(Files.readAllBytes(file))),
    JOURNAL("journal.jsonl", file -> Journal.open(file, JsonNode::toString).close()),
    PREFERENCES("pairs.jsonl", PreferenceReader::read),
    /** Tables in text, JSON lines and arrays, gzip, told by their first bytes. */
    ROWS("rows.data", file -> RowFile.read(file).rows()),
    ROWS_PARQUET("rows.parquet", ParquetFiles::read),
    PROMPTS("prompts.csv", PromptFile::read),
    CHOICES("subject_test.csv", ChoiceFile::read),
    LABELS("labels.csv", LabelledAnswers::read),
    DOCUMENTS("documents.jsonl", file -> TextFile.read(file, null)),
    REPORT_EVALUATION("eval.json", Parsers::report),
    REPORT_COMPLETIONS("completions.jsonl", Parsers::report),
    REPORT_ATTACK("attack.json", Parsers::report),
    REPORT_TRAINING("sails_run.json", Parsers::report),
    REPORT_METRICS("metrics.jsonl", Parsers::report),
    REPORT_EXPLANATION("explain.json", Parsers::report),
    TOKEN_PAIRS("pairs.safetensors", TokenPairs::read),
    BATCH("batch.safetensors", BatchFile::read),
    SUBSPACE("subspace.safetensors", SafetySubspace::read),
    /** The marks of a checkpoint; its other files are of the same bytes, so that a hash can be right. */
    CHECKPOINT("latest", file -> {
        Path step = Files.createDirectories(file.resolveSibling("step-0000000001"));
        for (String name : new String[] {"run.json", "state.safetensors", "COMPLETE"}) {
            Files.copy(file, step.resolve(name), StandardCopyOption.REPLACE_EXISTING);
        }
        new CheckpointStore(file.getParent(), 2).newest();
    });

    /** Reads a file, and what belongs to it in its directory. */
    private interface Reading {
        void read(Path file) throws IOException;
    }

    private final String file;
    private final Reading reading;

    Parsers(String file, Reading reading) {
        this.file = file;
        this.reading = reading;
    }

    private static final String[] TEXTS = {"", "the the\n  there", "e\u0301 \ud83d\ude42 \u0000 aaaaaaaaaaaa", "<bos>\ufffdx<|eot_id|>"};
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

    private static void safetensors(Path file) {
        try (SafetensorsFile tensors = SafetensorsFile.open(file)) {
            tensors.names().forEach(name -> tensors.tensor(name).data().toArray(ValueLayout.JAVA_BYTE));
        }
    }

    private static void tokenizer(Path file) {
        try (Tokenizer tokenizer = Tokenizer.load(file)) {
            for (String text : TEXTS) {
                tokenizer.decode(tokenizer.encodeWithBos(text), text.isEmpty());
            }
            tokenizer.decode(new int[] {0, 1, 5, 1 << 20, -1}, false);
        }
    }

    private static void stops(Path file) {
        StopTokens.of(Objects.requireNonNull(file.getParent()), MODEL, null);
    }

    private static void report(Path file) {
        Reports.read(List.of(Objects.requireNonNull(file.getParent()))).parts();
    }

    private static void adapter(Path file) {
        LoraAdapter.load(file.getParent(), MODEL, engine()).close();
    }

    private static void sae(Path file) {
        Sae.load(file.getParent(), engine()).close();
    }

    /** What is written for an input. */
    byte[] content(byte[] input) {
        return input;
    }

    /** Whether the file has to be the system's: what reads it is no Java. */
    boolean ofSystem() {
        return this == TOKENIZER;
    }

    /** The file that is read under {@code root}. */
    Path in(Path root) {
        return root.resolve(file);
    }

    /** Reads the input as a file under {@code root}, which {@link #prepare} has made. */
    void read(Path root, byte[] input) throws IOException {
        reading.read(Files.write(in(root), content(input)));
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
            case REPORT_COMPLETIONS -> Files.writeString(root.resolve("eval.json"), "{\"answers\":[]}");
            case REPORT_METRICS -> Files.write(root.resolve("sails_run.json"), Seeds.of(REPORT_TRAINING).getFirst());
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
