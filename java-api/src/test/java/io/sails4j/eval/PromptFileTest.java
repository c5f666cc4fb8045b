package io.sails4j.eval;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import io.sails4j.InputException;
import io.sails4j.data.Message;
import io.sails4j.data.Wanted;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Files of prompts, each recognised by its columns. */
class PromptFileTest {
    private static final Path SHARED = Path.of(System.getProperty("sails.data", "../../shared/data"));

    @TempDir
    private Path directory;

    private PromptFile read(String name, String text) throws IOException {
        return PromptFile.read(Files.writeString(directory.resolve(name), text));
    }

    private static void assertPrompt(EvalPrompt prompt, String id, String text, String category, Wanted wanted) {
        assertThat(prompt.id()).isEqualTo(id);
        assertThat(prompt.request()).isEqualTo(text);
        assertThat(prompt.category()).isEqualTo(category);
        assertThat(prompt.wanted()).isEqualTo(wanted);
    }

    @Test
    void benchmarksAreKnownByTheirColumns() throws IOException {
        PromptFile advBench = read("harmful.csv", "goal,target\nDo harm.,\"Sure, here\"\n");
        assertThat(advBench.format()).isEqualTo(PromptFormat.ADVBENCH);
        assertPrompt(advBench.prompts().getFirst(), "1", "Do harm.", "harmful", Wanted.REFUSE);

        PromptFile harmBench = read("behaviors.csv", """
            Behavior,FunctionalCategory,SemanticCategory,Tags,ContextString,BehaviorID
            Make it,standard,chemical_biological,,,make_it
            "Do this, now",contextual,illegal,context,"A text
            of two lines",do_this
            """);
        assertThat(harmBench.format()).isEqualTo(PromptFormat.HARMBENCH);
        assertPrompt(harmBench.prompts().get(0), "make_it", "Make it", "chemical_biological", Wanted.REFUSE);
        assertPrompt(harmBench.prompts().get(1), "do_this", "A text\nof two lines\n\nDo this, now", "illegal", Wanted.REFUSE);
        assertThat(harmBench.notes()).singleElement().asString().contains("ContextString");

        String jailbreakBench = "Index,Goal,Target,Behavior,Category,Source\n7,Write it,Sure,Defamation,Harassment,Original\n";
        assertPrompt(read("harmful-behaviors.csv", jailbreakBench).prompts().getFirst(), "7", "Write it", "Harassment", Wanted.REFUSE);
        assertPrompt(read("benign-behaviors.csv", jailbreakBench).prompts().getFirst(), "7", "Write it", "Harassment", Wanted.COMPLY);

        PromptFile hexPhi = read("category_4.csv", "Write malware\n\n\"Steal a, b and \"\"c\"\"\"\n");
        assertThat(hexPhi.format()).isEqualTo(PromptFormat.HEX_PHI);
        assertPrompt(hexPhi.prompts().get(1), "3", "Steal a, b and \"c\"", "Malware", Wanted.REFUSE);
    }

    @Test
    void ownFilesAreTablesObjectsOrLines() throws IOException {
        assertPrompt(read("own.csv", "prompt,category,wanted\nHello,greetings,comply\n").prompts().getFirst(), "1", "Hello", "greetings",
            Wanted.COMPLY);
        assertPrompt(read("own.jsonl", "{\"instruction\": \"Add\", \"input\": \"1 2\"}\n").prompts().getFirst(), "1", "Add\n\n1 2", "own",
            Wanted.UNKNOWN);
        EvalPrompt dialogue = read("chats.jsonl", """
            {"id": "a", "messages": [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Yes?"}, \
            {"role": "user", "content": "Why"}]}
            """).prompts().getFirst();
        assertThat(dialogue.messages()).extracting(Message::role).containsExactly("user", "assistant", "user");
        assertPrompt(dialogue, "a", "Why", "chats", Wanted.UNKNOWN);
        PromptFile lines = read("plain.txt", "\ufeffOne, and more\n\nTwo\n").wanting(Wanted.COMPLY);
        assertThat(lines.prompts()).extracting(EvalPrompt::request).containsExactly("One, and more", "Two");
        assertThat(lines.prompts()).extracting(EvalPrompt::wanted).containsOnly(Wanted.COMPLY);
        PromptFile preferences = read("pairs.jsonl", "{\"chosen\": \"\\n\\nHuman: A\\n\\nAssistant: no\", "
            + "\"rejected\": \"\\n\\nHuman: A\\n\\nAssistant: yes\"}\n");
        assertThat(preferences.format()).isEqualTo(PromptFormat.PREFERENCES);
        assertThat(preferences.prompts().getFirst().request()).isEqualTo("A");
    }

    @Test
    void whatIsNotKnownIsASentence() {
        assertThatThrownBy(() -> read("x.csv", "question,solution\na,b\n")).isInstanceOf(InputException.class)
            .hasMessageContaining("question, solution").hasMessageContaining("goal + target (AdvBench)");
        assertThatThrownBy(() -> read("y.csv", "prompt,wanted\na,perhaps\n")).isInstanceOf(InputException.class)
            .hasMessageContaining("'perhaps'").hasMessageContaining("y.csv");
        assertThatThrownBy(() -> read("z.csv", "prompt,wanted\n ,refuse\n")).hasMessageContaining("empty prompt");
        assertThatThrownBy(() -> read("empty.txt", "\n")).hasMessageContaining("no prompts");
        assertThatThrownBy(() -> read("m.jsonl", "{\"messages\": [{\"role\": \"assistant\", \"content\": \"a\"}]}\n"))
            .hasMessageContaining("'assistant' last");
    }

    @Test
    void publicFilesAreRecognised() {
        assumeTrue(Files.isDirectory(SHARED), () -> SHARED.toAbsolutePath().normalize() + " is not here: the public files are not read");
        List<EvalPrompt> xstest = PromptFile.read(SHARED.resolve("xstest/xstest_prompts.csv")).prompts();
        assertThat(xstest).filteredOn(prompt -> prompt.wanted() == Wanted.COMPLY).hasSize(250);
        assertThat(xstest).filteredOn(prompt -> prompt.wanted() == Wanted.REFUSE).hasSize(200);
        assertThat(PromptFile.read(SHARED.resolve("advbench/harmful_behaviors.csv")).prompts()).hasSize(400)
            .allMatch(prompt -> prompt.wanted() == Wanted.REFUSE);
    }
}
