package io.sails4j.attack;

import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import com.fasterxml.jackson.databind.node.ObjectNode;
import io.sails4j.eval.EvalProgress;
import io.sails4j.eval.EvalPrompt;
import io.sails4j.eval.EvalResult;
import io.sails4j.eval.OpenArm;
import io.sails4j.eval.Question;
import io.sails4j.options.Options;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import java.util.function.BooleanSupplier;
import java.util.stream.IntStream;

/** Gives the first tokens of the answers that are wanted; the model goes on from there. */
record PrefillAsking(Path model, PrefillOptions options) implements AttackAsking {
    @Override
    public ObjectNode origin() {
        return Options.deciding(options).put("kind", "prefill");
    }

    @Override
    public Running open(Path state) {
        return this;
    }

    @Override
    public List<Question> questions(OpenArm arm, List<EvalPrompt> prompts, EvalProgress progress, BooleanSupplier stop) {
        return prompts.stream().map(prompt -> Targets.isAttacked(prompt) ? question(arm, prompt) : new Question(arm.ids(prompt), 0, null))
            .toList();
    }

    private Question question(OpenArm arm, EvalPrompt prompt) {
        int[] target = Targets.ids(arm, prompt, options.target());
        int given = options.prefillTokens() == 0 ? target.length : Math.min(options.prefillTokens(), target.length);
        int[] ids = IntStream.concat(Arrays.stream(arm.ids(prompt)), Arrays.stream(target, 0, given)).toArray();
        return new Question(ids, given, JsonNodeFactory.instance.objectNode().put("prefill",
            arm.tokenizer().decode(Arrays.copyOf(target, given), true)));
    }

    @Override
    public AttackResult result(EvalResult evaluated) {
        return AttackResult.of(model, evaluated);
    }

    @Override
    public void close() {
        // Nothing is kept.
    }
}
