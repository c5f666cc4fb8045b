package io.sails4j.data;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import io.sails4j.InputException;
import io.sails4j.demo.BpeTrainer;
import io.sails4j.files.JsonFiles;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** A tokenizer.json that the tokenizers library would end the process at, or would read otherwise than its author, is a sentence. */
class TokenizerFileTest {
    @TempDir
    private Path directory;

    private ObjectNode learnt() {
        Path file = directory.resolve("tokenizer.json");
        BpeTrainer.train(List.of("the user asks and the model answers the user"), 300, ControlTokens.GEMMA, file);
        return (ObjectNode) JsonFiles.read(file);
    }

    private Path with(ObjectNode root, String path, String value) throws IOException {
        int dot = path.lastIndexOf('.');
        JsonNode owner = dot < 0 ? root : root.path(path.substring(0, dot));
        if (dot > 0 && path.indexOf('.') != dot) {
            owner = root.path(path.substring(0, path.indexOf('.'))).path(path.substring(path.indexOf('.') + 1, dot));
        }
        ((ObjectNode) owner).set(path.substring(dot + 1), JsonFiles.parse(value, "value"));
        return Files.writeString(directory.resolve("changed.json"), root.toString());
    }

    @ParameterizedTest
    @CsvSource(delimiter = '|', quoteCharacter = '`', value = {
        "model.continuing_subword_prefix|\"####\"|continuing_subword_prefix is \"####\"",
        "model.dropout|0.5|the same text would give other tokens",
        "model.type|\"Unigram\"|expected BPE",
        "model|null|'model' is missing",
        "model.vocab|{}|model.vocab is {}",
        "model.vocab.zz|4294967295|expected an id of 0 to",
        "model.vocab.zz|-1|expected an id of 0 to",
        "model.vocab.zz|2|have the same id 2",
        "model.unk_token|\"none\"|is not in the vocabulary",
        "model.merges|5|expected a list",
        "model.merges|[\"a b c\"]|merges[0] is \"a b c\", expected two tokens",
        "model.merges|[[\"qqq\", \"t\"]]|the vocabulary has no 'qqq'",
        "normalizer|{\"type\": \"Precompiled\", \"precompiled_charsmap\": \"AAAA\"}|normalizer has the type \"Precompiled\"",
        "normalizer|{\"type\": \"Replace\", \"pattern\": {\"Regex\": \"(a*)*b\"}}|may search without end",
        "normalizer|{\"type\": \"Replace\", \"pattern\": {\"String\": \"\"}}|expected {\"String\": a text}",
        "normalizer|{\"type\": \"Sequence\"}|normalizer.normalizers is missing, expected a list",
        "pre_tokenizer|{\"type\": \"FixedLength\", \"length\": 0}|pre_tokenizer has the type",
        "decoder|{\"type\": \"Strip\", \"content\": \"e\", \"start\": 100, \"stop\": 100}|expected start 0 or 1 and stop 0",
        "post_processor|{\"type\": \"TemplateProcessing\", \"single\": []}|has the text 0 times"})
    void refuses(String path, String value, String sentence) throws IOException {
        Path file = with(learnt(), path, value);
        assertThatThrownBy(() -> Tokenizer.load(file)).isInstanceOf(InputException.class).hasMessageContaining("changed.json")
            .hasMessageContaining(sentence);
    }

    @Test
    void refusesAddedTokensAtOddsWithTheVocabulary() throws IOException {
        String token = "[{\"id\": 2, \"content\": \"<bos>\", \"special\": true}, {\"id\": %s, \"content\": \"%s\"}]";
        for (String[] wrong : new String[][] {{"7", "new", "of '"}, {"900", "<eos>", "in the vocabulary"}, {"900", "<bos>", "twice"},
            {"4294967295", "x", "expected an id"}, {"900", "", "expected a text"}}) {
            Path file = with(learnt(), "added_tokens", token.formatted(wrong[0], wrong[1]));
            assertThatThrownBy(() -> Tokenizer.load(file)).as(wrong[1]).isInstanceOf(InputException.class).hasMessageContaining(wrong[2]);
        }
    }

    @Test
    void takesWhatLlama3AndGemma2AreMadeOf() throws IOException {
        String template = "{\"type\": \"TemplateProcessing\", \"single\": [{\"SpecialToken\": {\"id\": \"<bos>\", \"type_id\": 0}}, "
            + "{\"Sequence\": {\"id\": \"A\", \"type_id\": 0}}], \"pair\": [], \"special_tokens\": {\"<bos>\": {\"id\": \"<bos>\", "
            + "\"ids\": [2], \"tokens\": [\"<bos>\"]}}}";
        try (Tokenizer tokenizer = Tokenizer.load(with(learnt(), "post_processor", template))) {
            assertThat(tokenizer.decode(tokenizer.encodeText("the user"), false)).isEqualTo("the user");
        }
        String split = "{\"type\": \"Split\", \"pattern\": {\"String\": \" \"}, \"behavior\": \"MergedWithPrevious\", \"invert\": false}";
        try (Tokenizer tokenizer = Tokenizer.load(with(learnt(), "pre_tokenizer", split))) {
            assertThat(tokenizer.decode(tokenizer.encodeText("the user"), false)).isEqualTo("the user");
        }
    }
}
