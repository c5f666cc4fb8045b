package io.sails4j.fuzz;

import java.util.Arrays;
import java.util.List;
import java.util.Locale;
import java.util.stream.Stream;

/** A parser, and how a fuzzer's bytes become its input; written {@code model-config} or {@code model-config:edits}. */
record Harness(Parsers parser, Shape shape) {
    static Harness named(String label) {
        int colon = label.indexOf(':');
        return colon < 0 ? new Harness(Parsers.named(label), Shape.BYTES)
            : new Harness(Parsers.named(label.substring(0, colon)), Shape.valueOf(label.substring(colon + 1).toUpperCase(Locale.ROOT)));
    }

    /** All of them: each parser over bytes, and over the shapes that its format has. */
    static List<Harness> all() {
        return Arrays.stream(Parsers.values())
            .flatMap(parser -> Stream.concat(Stream.of(Shape.BYTES), shapes(parser).stream()).map(shape -> new Harness(parser, shape)))
            .toList();
    }

    private static List<Shape> shapes(Parsers parser) {
        return switch (parser) {
            case SAFETENSORS, ADAPTER_WEIGHTS, TOKEN_PAIRS, BATCH, SUBSPACE, SHARD_INDEX, MODEL_CONFIG, ADAPTER_CONFIG, SAE_LENS,
                LLAMA_SCOPE, SPARSIFY, TOKENIZER, CONVERSATION, GENERATION_CONFIG, JUDGE_CACHE, JOURNAL, PREFERENCES, DOCUMENTS,
                REPORT_EVALUATION, REPORT_COMPLETIONS, REPORT_ATTACK, REPORT_TRAINING, REPORT_METRICS, REPORT_EXPLANATION, CHECKPOINT ->
                List.of(Shape.EDITS);
            case SAFETENSORS_HEADER, JUDGE_SERVER, ROWS_PARQUET -> List.of();
            case NPZ, GEMMA_SCOPE -> List.of(Shape.ARRAYS);
            case CHAT_TEMPLATE, JUDGE_REPLY, PROMPTS, CHOICES, LABELS -> List.of(Shape.WORDS);
            case ROWS -> List.of(Shape.EDITS, Shape.WORDS);
        };
    }

    String label() {
        return shape == Shape.BYTES ? parser.label() : parser.label() + ":" + shape.label();
    }

    /** The name of its directory of findings: that of the parser where bytes are taken as they are. */
    String directory() {
        return label().replace(':', '-');
    }
}
