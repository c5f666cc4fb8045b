package io.sails4j.judge;

import io.sails4j.InputException;
import io.sails4j.data.ChatTemplate;
import io.sails4j.data.Message;
import io.sails4j.data.Tokenizer;
import io.sails4j.model.AdapterStack;
import io.sails4j.model.CausalModel;
import io.sails4j.model.ForwardOptions;
import io.sails4j.model.ForwardPass;
import io.sails4j.model.ModelOptions;
import io.sails4j.model.ModelSession;
import io.sails4j.model.TokenBatch;
import io.sails4j.ops.Engine;
import io.sails4j.stats.LogSumExp;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.stream.IntStream;

/**
 * Asks a checkpoint in this process for a score by a rubric. No text is generated and none is parsed: the answer is begun for the model,
 * and the probabilities of the five scores as its next words are compared. Each answer is a pass of its own, so that its judgement does
 * not depend on what else is judged.
 */
public final class ModelJudge implements Judge {
    private static final String QUESTION = "Score the answer by the rubric. Write the score alone: a whole number from 1 to 5.";
    private static final String OPENING = "Score:";

    private final String name;
    private final ModelJudgeOptions options;
    private final CausalModel model;
    private final ModelSession session;
    private final Tokenizer tokenizer;
    private final ChatTemplate template;
    private final JudgeText text;
    private final ScoreTokens scores;

    private ModelJudge(String name, CausalModel model, Tokenizer tokenizer, ModelJudgeOptions options) {
        this.name = name;
        this.options = options;
        this.model = model;
        this.tokenizer = tokenizer;
        this.template = new ChatTemplate(tokenizer, options.template());
        this.text = new JudgeText(options.rubric(), QUESTION);
        this.scores = new ScoreTokens(tokenizer, OPENING);
        model.config().requirePositions("the number of tokens that " + options.rubric().source() + " needs without a text to judge is",
            needed(ids(new Exchange("", ""))), "use a shorter rubric or another model");
        this.session = ModelSession.open(model);
    }

    /**
     * Loads a model and its tokenizer.
     *
     * @param label what stands for the model in the judge's name
     * @param directory of a Hugging Face checkpoint with its tokenizer
     * @param engine which is not closed with the judge
     * @throws InputException where one of them cannot be read, or the rubric leaves no room for a text
     */
    public static ModelJudge open(String label, Path directory, Engine engine, ModelOptions load, ModelJudgeOptions options) {
        Tokenizer tokenizer = Tokenizer.load(directory);
        try {
            CausalModel model = CausalModel.load(directory, engine, load);
            try {
                return new ModelJudge("model:" + label, model, tokenizer, options);
            } catch (RuntimeException e) {
                model.close();
                throw e;
            }
        } catch (RuntimeException e) {
            tokenizer.close();
            throw e;
        }
    }

    @Override
    public String name() {
        return name;
    }

    /** One, since each is a pass of its own. */
    @Override
    public int batch() {
        return 1;
    }

    @Override
    public List<Judgement> judge(List<Exchange> exchanges) {
        List<Judgement> judgements = new ArrayList<>();
        exchanges.forEach(exchange -> judgements.add(judge(exchange)));
        return judgements;
    }

    private Judgement judge(Exchange exchange) {
        int[] whole = ids(exchange);
        if (fits(whole)) {
            return likelihoods(whole).judgement(options.leastMass(), "");
        }
        int room = model.config().maxPositionEmbeddings();
        int all = exchange.completion().codePointCount(0, exchange.completion().length());
        int kept = mostThatFits(exchange, all);
        if (kept == 0) {
            return new Judgement.Undecided("rubric and request leave no room for the answer: together they have " + needed(whole)
                + " tokens, the model's max_position_embeddings is " + room);
        }
        return likelihoods(ids(cut(exchange, kept))).judgement(options.leastMass(), "only the first " + kept + " of " + all
            + " characters of the answer were judged, to stay within the model's max_position_embeddings of " + room + "; ");
    }

    /** How many of the answer's characters can be judged, 0 where not one can. */
    private int mostThatFits(Exchange exchange, int all) {
        int fits = 0;
        for (int tooMany = all; tooMany - fits > 1;) {
            int middle = (fits + tooMany) >>> 1;
            if (fits(ids(cut(exchange, middle)))) {
                fits = middle;
            } else {
                tooMany = middle;
            }
        }
        return fits;
    }

    private static Exchange cut(Exchange exchange, int characters) {
        String completion = exchange.completion();
        return new Exchange(exchange.prompt(), completion.substring(0, completion.offsetByCodePoints(0, characters)));
    }

    private int[] ids(Exchange exchange) {
        return ScoreTokens.joined(template.prompt(List.of(new Message("user", text.of(exchange)))), scores.opening());
    }

    private long needed(int[] ids) {
        return (long) ids.length + scores.longestContext();
    }

    private boolean fits(int[] ids) {
        return needed(ids) <= model.config().maxPositionEmbeddings();
    }

    /** Of the scores behind some tokens: of each way to write one, the product of its tokens' probabilities. */
    private ScoreLikelihoods likelihoods(int[] ids) {
        double[] probabilities = new double[ScoreTokens.HIGHEST];
        List<ScoreTokens.Way> open = new ArrayList<>(scores.ways());
        for (int[] context : scores.longestContexts()) {
            List<NextToken> next = next(ScoreTokens.joined(ids, context), ids.length - 1);
            for (ScoreTokens.Way way : List.copyOf(open)) {
                if (ScoreTokens.startsWith(context, way.context())) {
                    open.remove(way);
                    double logProbability = 0;
                    for (int i = 0; i < way.ids().length; i++) {
                        logProbability += next.get(i).logProbability(way.ids()[i]);
                    }
                    probabilities[way.score() - 1] += Math.exp(logProbability);
                }
            }
        }
        return new ScoreLikelihoods(probabilities);
    }

    /**
     * What comes after a position.
     *
     * @param logits [vocab_size]
     * @param logSumExp of the logits
     */
    private record NextToken(float[] logits, double logSumExp) {
        static NextToken of(float[] logits) {
            return new NextToken(logits, LogSumExp.of(logits));
        }

        double logProbability(int id) {
            return logits[id] - logSumExp;
        }
    }

    /** Behind each position of a sequence from one on. */
    private List<NextToken> next(int[] ids, int from) {
        int vocab = (int) model.config().vocabSize();
        try (ForwardPass pass = session.forward(TokenBatch.of(ids), AdapterStack.none(), ForwardOptions.inference())) {
            float[] flat = session.logits(pass, IntStream.range(from, ids.length).toArray()).toFloatArray();
            return IntStream.range(0, ids.length - from)
                .mapToObj(row -> NextToken.of(Arrays.copyOfRange(flat, row * vocab, (row + 1) * vocab)))
                .toList();
        }
    }

    @Override
    public void close() {
        session.close();
        model.close();
        tokenizer.close();
    }
}
