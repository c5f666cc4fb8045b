package io.sails4j.cli;

import static org.assertj.core.api.Assertions.assertThat;

import io.sails4j.options.Options;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Set;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import picocli.CommandLine;

/** The library's options as flags. */
class OptionFlagsTest {
    @ParameterizedTest
    @CsvSource(delimiter = '|', textBlock = """
        ema_decay is 2, expected a number in [0, 1) | --ema-decay is 2, expected a number in [0, 1)
        lr is -1, expected a finite number >= 0 | --lr is -1, expected a finite number >= 0
        the constraint needs the safety subspace: use method=sails | the constraint needs the safety subspace: use --method sails
        go on with it by resume=true, or remove it | go on with it by --resume, or remove it
        cannot resume out.partial: max_length was 48 and is now 24 | cannot resume out.partial: --max-length was 48 and is now 24
        name one (sae=LAYER=PATH) | name one (--sae LAYER=PATH)
        /tmp/eval_every/data_set.jsonl: line 4 | /tmp/eval_every/data_set.jsonl: line 4
        tensor lora_alpha.weight is missing | tensor lora_alpha.weight is missing
        """)
    void sentencesNameFlags(String sentence, String shown) {
        assertThat(OptionFlags.inSentence(sentence)).isEqualTo(shown);
    }

    @Test
    void everyOptionOfTheRecordsIsAFlagOfAlign() {
        CommandLine align = Main.commandLine().getSubcommands().get("align");
        String help = align.getUsageMessage();
        for (Record record : AllOptions.defaults()) {
            for (Options.Entry entry : Options.of(record)) {
                if (!Set.of("beta1", "beta2", "eps", "seed").contains(entry.name())) {
                    assertThat(align.getCommandSpec().findOption(OptionFlags.flag(entry.name()))).as(entry.name()).isNotNull();
                    assertThat(help).contains(entry.group() + ":");
                }
            }
        }
    }

    @Test
    void theTableOfTheDocumentationIsThisOne() throws IOException {
        String page = Files.readString(Path.of("../docs/training.md"));
        assertThat(page).as("docs/training.md between its markers holds what AllOptions.table() gives")
            .contains("<!-- options:begin -->\n" + AllOptions.table() + "<!-- options:end -->");
    }
}
