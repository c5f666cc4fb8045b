package io.sails4j.demo.world;

import io.sails4j.data.ChatTemplate;
import io.sails4j.data.Message;
import io.sails4j.data.Progress;
import io.sails4j.data.Tokenizer;
import io.sails4j.model.AdapterStack;
import io.sails4j.model.BatchGenerator;
import io.sails4j.model.BatchOptions;
import io.sails4j.model.CausalModel;
import io.sails4j.model.GenerationOptions;
import io.sails4j.model.ModelSession;
import io.sails4j.stats.Interval;
import io.sails4j.stats.Rates;
import java.util.Iterator;
import java.util.List;
import java.util.Set;
import java.util.stream.IntStream;

/** What a model of the language knows: it answers greedily, and only the whole right answer counts. */
final class Knowledge {
    private static final int ROOM = 128;
    private static final int MOST_TOKENS = 48;
    private static final int BATCH = 32;

    private final CausalModel model;
    private final Tokenizer tokenizer;
    private final ChatTemplate template;

    Knowledge(CausalModel model, Tokenizer tokenizer) {
        this.model = model;
        this.tokenizer = tokenizer;
        this.template = new ChatTemplate(tokenizer);
    }

    /** The share of right answers, as a Wilson interval. */
    Interval right(List<Corpus.Turn> turns, Progress progress) {
        GenerationOptions options = GenerationOptions.greedy(MOST_TOKENS, Set.of(template.endId()));
        long[] right = new long[2];
        try (ModelSession session = ModelSession.open(model); BatchGenerator generator = new BatchGenerator(session, AdapterStack.none(),
            options, new BatchOptions(BATCH, BatchOptions.rowsOf(model.engine().backend()), ROOM))) {
            Iterator<BatchGenerator.Request> requests = IntStream.range(0, turns.size()).mapToObj(i -> new BatchGenerator.Request(i,
                template.prompt(List.of(new Message("user", turns.get(i).question()))))).iterator();
            generator.run(requests, result -> {
                Corpus.Turn turn = turns.get((int) result.request().number());
                right[0] += tokenizer.decode(result.newIds(), true).strip().equals(turn.answer()) ? 1 : 0;
                progress.update(++right[1], turns.size(), 0);
            });
        }
        return Rates.wilson(right[0], turns.size());
    }
}
