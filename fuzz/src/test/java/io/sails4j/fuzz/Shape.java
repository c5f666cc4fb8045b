package io.sails4j.fuzz;

import java.io.IOException;
import java.util.List;
import java.util.Locale;
import java.util.stream.IntStream;

/** How a fuzzer's bytes become a parser's input. */
enum Shape {
    /** As they are. */
    BYTES,
    /** A program of changes to right JSON documents, or to the headers of right safetensors files. */
    EDITS,
    /** Words of the format's language, one after another. */
    WORDS,
    /** A zip of arrays with right sums and lengths, whose headers are made of words. */
    ARRAYS;

    /** Makes an input of a fuzzer's bytes. */
    interface Maker {
        byte[] make(byte[] program);
    }

    Maker maker(Parsers parser) throws IOException {
        return switch (this) {
            case BYTES -> program -> program;
            case EDITS -> new JsonEdits(Seeds.of(parser))::apply;
            case WORDS -> new Words(Seeds.of(parser))::join;
            case ARRAYS -> new ArrayEdits(Seeds.of(parser))::apply;
        };
    }

    /** What a fuzzer begins from: right inputs, as this shape tells them. */
    List<byte[]> seeds(Parsers parser) throws IOException {
        List<byte[]> right = Seeds.of(parser);
        return switch (this) {
            case BYTES -> right;
            // The first byte chooses the document.
            case EDITS, ARRAYS -> IntStream.range(0, right.size()).mapToObj(i -> new byte[] {(byte) i}).toList();
            case WORDS -> new Words(right).programs();
        };
    }

    String label() {
        return name().toLowerCase(Locale.ROOT);
    }
}
