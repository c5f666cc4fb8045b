package io.sails4j.attack;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import com.fasterxml.jackson.databind.node.ObjectNode;
import io.sails4j.eval.Journal;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.SequencedMap;
import java.util.TreeMap;

/** The steps of all searches, on disk as they are made: a search goes on from its last one. */
final class SuffixJournal implements AutoCloseable {
    private final SequencedMap<Key, List<GcgSearch.State>> searches = new TreeMap<>(
        Comparator.comparingInt(Key::arm).thenComparingInt(Key::group));
    private final Journal journal;

    /** Which search: of an arm, the prompts that share a suffix. */
    private record Key(int arm, int group) {
    }

    SuffixJournal(Path state) {
        this.journal = Journal.open(state.resolve("suffixes.jsonl"), this::known);
    }

    private void known(JsonNode line) {
        int[] suffix = new int[line.path("suffix").size()];
        for (int i = 0; i < suffix.length; i++) {
            suffix[i] = line.path("suffix").get(i).asInt();
        }
        steps(line.path("arm").asInt(), line.path("group").asInt())
            .add(new GcgSearch.State(line.path("step").asInt(), suffix, line.path("text").asText(), line.path("loss").asDouble()));
    }

    /** All steps of a search so far. */
    List<GcgSearch.State> steps(int arm, int group) {
        return searches.computeIfAbsent(new Key(arm, group), _ -> new ArrayList<>());
    }

    void append(int arm, int group, GcgSearch.State state) {
        ObjectNode line = JsonNodeFactory.instance.objectNode().put("arm", arm).put("group", group).put("step", state.step());
        line.put("loss", state.loss()).put("text", state.text());
        ArrayNode suffix = line.putArray("suffix");
        for (int id : state.suffix()) {
            suffix.add(id);
        }
        journal.append(line);
        steps(arm, group).add(state);
    }

    @Override
    public void close() {
        journal.close();
    }
}
