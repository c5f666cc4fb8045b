package io.sails4j.io;

import com.fasterxml.jackson.core.JsonFactory;
import com.fasterxml.jackson.core.JsonParser;
import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.core.JsonToken;
import com.fasterxml.jackson.core.StreamReadConstraints;
import com.fasterxml.jackson.core.StreamReadFeature;
import io.sails4j.InputException;
import io.sails4j.files.ForeignFile;
import io.sails4j.files.JsonFiles;
import io.sails4j.tensor.DType;
import io.sails4j.tensor.Shape;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.charset.CharacterCodingException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.Comparator;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/** The checked header of a safetensors file. Offsets count from the start of the data. */
record SafetensorsHeader(Map<String, Entry> tensors, Map<String, String> metadata) {
    private static final JsonFactory JSON = JsonFactory.builder()
        .enable(StreamReadFeature.STRICT_DUPLICATE_DETECTION)
        .streamReadConstraints(StreamReadConstraints.builder().maxNestingDepth(8).maxNameLength(65_536).build())
        .build();

    private static final List<DType> ELEMENT_TYPES = Arrays.stream(DType.values()).filter(type -> !type.isPacked()).toList();

    record Entry(DType dtype, Shape shape, long begin, long end) {
    }

    static SafetensorsHeader parse(Path path, byte[] json, long dataBytes) {
        Parser parser = new Parser(path);
        try {
            String text = StandardCharsets.UTF_8.newDecoder().decode(ByteBuffer.wrap(json)).toString();
            parser.parse(text);
        } catch (CharacterCodingException e) {
            throw new InputException(path + ": the safetensors header is not valid UTF-8", e);
        } catch (JsonProcessingException e) {
            throw new InputException(path + ": the safetensors header is not valid JSON: " + JsonFiles.reason(e), e);
        } catch (IOException e) {
            throw new InputException(path + ": the safetensors header cannot be read: " + e.getMessage(), e);
        }
        checkLayout(path, parser.tensors, dataBytes);
        return new SafetensorsHeader(Collections.unmodifiableMap(parser.tensors), Collections.unmodifiableMap(parser.metadata));
    }

    /** The tensors cover the data exactly: no overlap, no hole, nothing left. */
    private static void checkLayout(Path path, Map<String, Entry> tensors, long dataBytes) {
        List<Map.Entry<String, Entry>> byOffset = new ArrayList<>(tensors.entrySet());
        byOffset.sort(
            Comparator.comparingLong((Map.Entry<String, Entry> e) -> e.getValue().begin()).thenComparingLong(e -> e.getValue().end()));
        long expected = 0;
        String previous = "";
        for (Map.Entry<String, Entry> named : byOffset) {
            Entry entry = named.getValue();
            if (entry.begin() < expected) {
                throw new InputException(path + ": tensor '" + named.getKey() + "' begins at byte " + entry.begin() + " and overlaps '"
                    + previous + "', which ends at " + expected);
            }
            if (entry.begin() > expected) {
                throw new InputException(path + ": bytes " + expected + " to " + entry.begin() + " before tensor '" + named.getKey()
                    + "' belong to no tensor; safetensors allows no holes");
            }
            if (entry.end() > dataBytes) {
                throw ForeignFile.cutOff(path,
                    "tensor '" + named.getKey() + "' ends at data byte " + entry.end() + ", the file has " + dataBytes);
            }
            expected = entry.end();
            previous = named.getKey();
        }
        if (expected != dataBytes) {
            throw new InputException(path + ": " + (dataBytes - expected) + " bytes after the last tensor belong to no tensor");
        }
    }

    private static final class Parser {
        private final Path path;
        private final Map<String, Entry> tensors = new LinkedHashMap<>();
        private final Map<String, String> metadata = new LinkedHashMap<>();

        Parser(Path path) {
            this.path = path;
        }

        void parse(String text) throws IOException {
            try (JsonParser json = JSON.createParser(text)) {
                if (json.nextToken() != JsonToken.START_OBJECT) {
                    throw new InputException(path + ": the safetensors header is not a JSON object");
                }
                while (json.nextToken() == JsonToken.FIELD_NAME) {
                    String name = json.currentName();
                    json.nextToken();
                    if (name.equals("__metadata__")) {
                        readMetadata(json);
                    } else {
                        tensors.put(name, readEntry(json, name));
                    }
                }
                if (json.nextToken() != null) {
                    throw new InputException(path + ": the safetensors header has more after its JSON object");
                }
            }
        }

        private void readMetadata(JsonParser json) throws IOException {
            if (json.currentToken() != JsonToken.START_OBJECT) {
                throw new InputException(path + ": __metadata__ is not a JSON object");
            }
            while (json.nextToken() == JsonToken.FIELD_NAME) {
                String key = json.currentName();
                if (json.nextToken() != JsonToken.VALUE_STRING) {
                    throw new InputException(path + ": __metadata__ '" + key + "' is not a string");
                }
                metadata.put(key, json.getText());
            }
        }

        private Entry readEntry(JsonParser json, String name) throws IOException {
            if (json.currentToken() != JsonToken.START_OBJECT) {
                throw wrong(name, "is not a JSON object with dtype, shape and data_offsets");
            }
            DType dtype = null;
            long[] dims = null;
            long[] offsets = null;
            while (json.nextToken() == JsonToken.FIELD_NAME) {
                String key = json.currentName();
                json.nextToken();
                switch (key) {
                    case "dtype" -> dtype = readType(json, name);
                    case "shape" -> dims = readIntegers(json, name, "shape");
                    case "data_offsets" -> offsets = readIntegers(json, name, "data_offsets");
                    default -> throw wrong(name, "has the unknown key '" + key + "'");
                }
            }
            return checked(name, dtype, dims, offsets);
        }

        private DType readType(JsonParser json, String name) throws IOException {
            String type = json.currentToken() == JsonToken.VALUE_STRING ? json.getText() : "";
            for (DType known : ELEMENT_TYPES) {
                if (known.name().equals(type)) {
                    return known;
                }
            }
            throw wrong(name, "has dtype '" + json.getText() + "', expected one of " + ELEMENT_TYPES);
        }

        private long[] readIntegers(JsonParser json, String name, String key) throws IOException {
            if (json.currentToken() != JsonToken.START_ARRAY) {
                throw wrong(name, key + " is not an array of integers");
            }
            List<Long> values = new ArrayList<>();
            while (json.nextToken() != JsonToken.END_ARRAY) {
                if (json.currentToken() != JsonToken.VALUE_NUMBER_INT) {
                    throw wrong(name, key + " holds '" + json.getText() + "', expected integers");
                }
                if (json.getNumberType() == JsonParser.NumberType.BIG_INTEGER) {
                    throw wrong(name, key + " holds " + json.getText() + ", which overflows 64 bits");
                }
                values.add(json.getLongValue());
                if (values.size() > 64) {
                    throw wrong(name, key + " has more than 64 entries");
                }
            }
            return values.stream().mapToLong(Long::longValue).toArray();
        }

        private Entry checked(String name, @Nullable DType dtype, long @Nullable [] dims, long @Nullable [] offsets) {
            if (dtype == null || dims == null || offsets == null) {
                throw wrong(name, "lacks " + (dtype == null ? "dtype" : dims == null ? "shape" : "data_offsets"));
            }
            if (offsets.length != 2 || offsets[0] < 0 || offsets[1] < offsets[0]) {
                throw wrong(name, "has data_offsets " + Arrays.toString(offsets) + ", expected [begin, end] with 0 <= begin <= end");
            }
            Shape shape;
            long bytes;
            try {
                shape = Shape.of(dims);
                bytes = Math.multiplyExact(shape.numel(), (long) dtype.byteSize());
            } catch (IllegalArgumentException e) {
                throw new InputException(path + ": tensor '" + name + "': " + e.getMessage(), e);
            } catch (ArithmeticException e) {
                throw new InputException(path + ": tensor '" + name + "' has more than 2^63 bytes", e);
            }
            if (bytes != offsets[1] - offsets[0]) {
                throw wrong(name, dtype + " " + shape + " needs " + bytes + " bytes, its data_offsets " + Arrays.toString(offsets)
                    + " hold " + (offsets[1] - offsets[0]));
            }
            return new Entry(dtype, shape, offsets[0], offsets[1]);
        }

        private InputException wrong(String name, String what) {
            return new InputException(path + ": tensor '" + name + "' " + what);
        }
    }
}
