package io.sails4j.eval;

import io.sails4j.data.ChatTemplate;
import io.sails4j.data.Message;
import io.sails4j.data.StopTokens;
import io.sails4j.data.Tokenizer;
import io.sails4j.model.AdapterStack;
import io.sails4j.model.CausalModel;
import io.sails4j.model.ModelSession;
import java.util.ArrayList;
import java.util.List;
import java.util.Set;
import java.util.function.Function;

/** An arm with everything open that its answers need: a session of its model, adapters, tokenizer and chat template. */
public final class OpenArm implements AutoCloseable {
    private final EvalArm arm;
    private final int number;
    private final String system;
    private final Tokenizer tokenizer;
    private final ChatTemplate template;
    private final AdaptedSession adapted;

    /** @param number of the arm in the list of arms */
    OpenArm(CausalModel model, EvalArm arm, int number, AnswerOptions options) {
        this.arm = arm;
        this.number = number;
        this.system = options.system();
        this.tokenizer = Tokenizer.load(arm.model());
        try {
            this.template = new ChatTemplate(tokenizer, options.template());
            this.adapted = new AdaptedSession(model, arm);
        } catch (RuntimeException | Error e) {
            tokenizer.close();
            throw e;
        }
    }

    /** Its name, in files and tables. */
    public String name() {
        return arm.name();
    }

    /** Its place in the run's list of arms. */
    public int number() {
        return number;
    }

    /** A session of the model, for the thread of the run. */
    public ModelSession session() {
        return adapted.session();
    }

    /** The adapters on the model, with their weights. */
    public AdapterStack adapters() {
        return adapted.stack();
    }

    /** The model's tokenizer. */
    public Tokenizer tokenizer() {
        return tokenizer;
    }

    /** What is asked of the model by a prompt: its turns, the run's system turn, and the opening of the answer. */
    public int[] ids(EvalPrompt prompt) {
        return ids(prompt, prompt.request());
    }

    /** The same with something else in the place of the last turn. */
    public int[] ids(EvalPrompt prompt, String request) {
        return template.prompt(turns(prompt, request));
    }

    /** {@link #ids(EvalPrompt, String)} of one prompt for many texts, faster. */
    public Function<String, int[]> idsOfRequests(EvalPrompt prompt) {
        return template.promptsOfLastTurn(turns(prompt, prompt.request()));
    }

    private List<Message> turns(EvalPrompt prompt, String request) {
        List<Message> turns = new ArrayList<>(prompt.messages());
        turns.set(turns.size() - 1, new Message(turns.getLast().role(), request));
        if (!system.isEmpty() && !turns.getFirst().role().equals("system")) {
            turns.addFirst(new Message("system", system));
        }
        return turns;
    }

    /** The tokens that end an answer. */
    Set<Integer> stops() {
        return StopTokens.of(arm.model(), session().model().config(), template);
    }

    @Override
    public void close() {
        adapted.close();
        tokenizer.close();
    }
}
