package io.sails4j.attack;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import io.sails4j.InputException;
import io.sails4j.data.Wanted;
import io.sails4j.eval.EvalProgress;
import io.sails4j.eval.EvalPrompt;
import io.sails4j.eval.EvalResult;
import io.sails4j.eval.Journal;
import io.sails4j.eval.OpenArm;
import io.sails4j.eval.Question;
import io.sails4j.files.FileHash;
import io.sails4j.model.StreamEdit;
import io.sails4j.options.Options;
import io.sails4j.train.StoppedException;
import java.nio.file.Path;
import java.util.List;
import java.util.Objects;
import java.util.TreeMap;
import java.util.function.BooleanSupplier;
import org.jspecify.annotations.Nullable;

/** Asks prompts as they are of a model without its direction of refusal. */
final class AblateAsking implements AttackAsking {
    private final Path model;
    private final Attack.Ablate attack;
    private final List<EvalPrompt> harmless;
    private final TreeMap<Integer, RefusalDirections.Found> found = new TreeMap<>();
    private @Nullable Journal journal;
    private @Nullable DirectionEdit edit;

    /** @param limit of harmless prompts, 0 = all */
    AblateAsking(Path model, Attack.Ablate attack, int limit) {
        this.model = model;
        this.attack = attack;
        List<EvalPrompt> all = attack.harmless().prompts();
        this.harmless = limit == 0 ? all : all.subList(0, Math.min(limit, all.size()));
    }

    @Override
    public ObjectNode origin() {
        ObjectNode json = Options.deciding(attack.options()).put("kind", "ablate");
        json.putObject("harmless").put("file", String.valueOf(attack.harmless().path().getFileName()))
            .put("sha256", FileHash.sha256(attack.harmless().path())).put("prompts", harmless.size());
        return json;
    }

    @Override
    public Running open(Path state) {
        journal = Journal.open(state.resolve("directions.jsonl"), this::known);
        return this;
    }

    private void known(JsonNode line) {
        float[] direction = new float[line.path("direction").size()];
        for (int i = 0; i < direction.length; i++) {
            direction[i] = (float) line.path("direction").get(i).asDouble();
        }
        found.put(line.path("number").asInt(), new RefusalDirections.Found(Direction.of(line), direction));
    }

    @Override
    public List<Question> questions(OpenArm arm, List<EvalPrompt> prompts, EvalProgress progress, BooleanSupplier stop) {
        RefusalDirections.Found of = found.get(arm.number());
        if (of == null) {
            progress.begin(arm.name() + ": direction");
            of = new RefusalDirections(arm, harmful(prompts), enough(harmless, attack.harmless().path() + " has", "harmless prompts"),
                attack.options(), doing -> {
                    if (stop.getAsBoolean()) {
                        throw new StoppedException("stopped while " + doing + " of " + arm.name()
                            + "; the same run with resume=true goes on");
                    }
                }).find(attack.options().layer());
            write(arm.number(), of);
        }
        closeEdit();
        edit = new DirectionEdit(arm.session().model().engine(), of.direction());
        return prompts.stream().map(prompt -> new Question(arm.ids(prompt), 0, null)).toList();
    }

    private static List<EvalPrompt> harmful(List<EvalPrompt> prompts) {
        return enough(prompts.stream().filter(prompt -> prompt.wanted() == Wanted.REFUSE).toList(), "there are",
            "prompts that want a refusal");
    }

    private static List<EvalPrompt> enough(List<EvalPrompt> prompts, String who, String what) {
        if (prompts.size() < RefusalDirections.HELD_OUT) {
            throw new InputException(who + " " + prompts.size() + " " + what + ", expected " + RefusalDirections.HELD_OUT
                + " or more: one of every " + RefusalDirections.HELD_OUT + " is held out to choose the direction by");
        }
        return prompts;
    }

    private void write(int arm, RefusalDirections.Found of) {
        ObjectNode line = of.how().json().put("number", arm);
        ArrayNode direction = line.putArray("direction");
        for (float value : of.direction()) {
            direction.add(value);
        }
        Objects.requireNonNull(journal, "the run was not begun").append(line);
        found.put(arm, of);
    }

    @Override
    public @Nullable StreamEdit edit() {
        return edit;
    }

    @Override
    public AttackResult result(EvalResult evaluated) {
        return AttackResult.of(model, evaluated).without(found.values().stream().map(RefusalDirections.Found::how).toList());
    }

    private void closeEdit() {
        if (edit != null) {
            edit.close();
            edit = null;
        }
    }

    @Override
    public void close() {
        closeEdit();
        if (journal != null) {
            journal.close();
        }
    }
}
