package io.sails4j.data;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.hardwood.InputFile;
import dev.hardwood.reader.ParquetFileReader;
import dev.hardwood.reader.RowReader;
import dev.hardwood.row.PqList;
import dev.hardwood.row.PqStruct;
import dev.hardwood.row.StructAccessor;
import dev.hardwood.schema.ColumnProjection;
import dev.hardwood.schema.SchemaNode;
import io.sails4j.InputException;
import java.io.IOException;
import java.math.BigDecimal;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.function.Predicate;
import java.util.function.Supplier;
import org.jspecify.annotations.Nullable;

/** Reads the rows of a Parquet file, of the columns that are wanted. */
final class ParquetRows {
    /** A page of a megabyte is decoded in milliseconds. */
    private static final Duration STALLED = Duration.ofSeconds(20);
    private static final JsonNodeFactory JSON = JsonNodeFactory.instance;

    private final Path path;
    private final Predicate<String> columns;
    private final StallGuard guard;
    private long done;

    private ParquetRows(Path path, Predicate<String> columns, StallGuard guard) {
        this.path = path;
        this.columns = columns;
        this.guard = guard;
    }

    static void forEach(Path path, Predicate<String> columns, RecordSink sink) throws IOException {
        forEach(path, columns, sink, STALLED);
    }

    /** @param stalled how long the reader may do nothing */
    static void forEach(Path path, Predicate<String> columns, RecordSink sink, Duration stalled) throws IOException {
        ReadFile input = new ReadFile(path);
        try (StallGuard guard = new StallGuard(stalled, input::isReading)) {
            new ParquetRows(path, columns, guard).forEach(input, sink);
        }
    }

    private void forEach(InputFile input, RecordSink sink) throws IOException {
        try (ParquetFileReader file = sound(() -> open(input))) {
            RowReader rows = sound(() -> rows(file));
            try {
                while (sound(rows::hasNext)) {
                    JsonNode value = sound(() -> {
                        rows.next();
                        return object(rows);
                    });
                    done++;
                    sink.accept(value, done);
                }
            } finally {
                // Waits for threads that may wait themselves.
                sound(() -> {
                    rows.close();
                    return done;
                });
            }
        }
    }

    private static ParquetFileReader open(InputFile input) {
        try {
            return ParquetFileReader.open(input);
        } catch (IOException e) {
            throw new IllegalStateException(e.getMessage(), e);
        }
    }

    private RowReader rows(ParquetFileReader file) {
        List<String> all = file.getFileSchema().getRootNode().children().stream().map(SchemaNode::name).toList();
        String[] read = all.stream().filter(columns).toArray(String[]::new);
        if (read.length == 0) {
            throw new InputException(path + " has the columns " + all + ", expected " + FormatFinder.EXPECTED);
        }
        return file.buildRowReader().projection(ColumnProjection.columns(read)).build();
    }

    /** What a damaged file does to the reader is not foreseen: whatever it throws, the file is to blame. */
    private <T> T sound(Supplier<T> read) {
        try {
            return guard.step(read);
        } catch (InputException e) {
            throw e;
        } catch (RuntimeException | LinkageError e) {
            throw new InputException(path + " cannot be read as Parquet after row " + done + ": "
                + reason(e)
                + "; write it as jsonl or as Parquet with snappy, zstd, gzip or no compression, or download it again if it is damaged", e);
        }
    }

    /** The innermost message: those around it name the reader's inner places. */
    private static String reason(Throwable thrown) {
        Throwable inner = thrown;
        while (inner.getCause() != null) {
            inner = inner.getCause();
        }
        return String.valueOf(inner.getMessage()).lines().findFirst().orElse("");
    }

    private static ObjectNode object(StructAccessor struct) {
        ObjectNode object = JSON.objectNode();
        for (int i = 0; i < struct.getFieldCount(); i++) {
            object.set(struct.getFieldName(i), value(struct.getValue(i)));
        }
        return object;
    }

    private static JsonNode value(@Nullable Object value) {
        return switch (value) {
            case null -> JSON.nullNode();
            case String text -> JSON.textNode(text);
            case Boolean truth -> JSON.booleanNode(truth);
            case Integer number -> JSON.numberNode(number);
            case Long number -> JSON.numberNode(number);
            case Float number -> JSON.numberNode(number);
            case Double number -> JSON.numberNode(number);
            case BigDecimal number -> JSON.numberNode(number);
            case PqStruct struct -> object(struct);
            case PqList list -> {
                ArrayNode array = JSON.arrayNode();
                for (int i = 0; i < list.size(); i++) {
                    array.add(value(list.isNull(i) ? null : list.get(i)));
                }
                yield array;
            }
            default -> JSON.pojoNode(value);
        };
    }
}
