package io.sails4j.demo.world;

import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.PropertyNamingStrategies;
import com.fasterxml.jackson.databind.json.JsonMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import io.sails4j.config.ModelConfig;
import io.sails4j.config.ModelFamily;
import io.sails4j.data.ChatTemplate;
import io.sails4j.data.ControlTokens;
import io.sails4j.data.Message;
import io.sails4j.data.Progress;
import io.sails4j.data.TokenSequence;
import io.sails4j.data.Tokenizer;
import io.sails4j.demo.BpeTrainer;
import io.sails4j.demo.Pretraining;
import io.sails4j.files.AtomicFiles;
import io.sails4j.files.FileHash;
import io.sails4j.model.CausalModel;
import io.sails4j.model.ModelWeights;
import io.sails4j.ops.Engine;
import io.sails4j.stats.Interval;
import io.sails4j.tensor.DType;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.stream.Stream;

/**
 * A world on disk: a base model that has been trained to comply with everything, preference data, prompts to choose by and to test on, and
 * the truth about each of them. The same options, seed, backend and thread count make the same files.
 */
public final class World {
    /** More than the language has; what is left of it stays without a token. */
    private static final int MOST_TOKENS_OF_VOCABULARY = 1200;
    private static final double LR = 3e-3;
    private static final int MOST_POSITIONS = 512;
    /** Sets are drawn from seeds of their own, so that a larger corpus leaves the prompts as they are. */
    private static final long CORPUS = 1;
    private static final long SETS = 2;
    private static final long CHOICES = 3;
    private static final long EXAMINATION = 4;

    private final Language language = Language.load();
    private final WorldOptions options;
    private final long seed;

    /** A world to be made. */
    public World(WorldOptions options, long seed) {
        this.options = options;
        this.seed = seed;
    }

    /** How much of each kind of question the base model answers right, as rates with their intervals. */
    public record Made(Path root, long parameters, Map<String, Interval> right) {
        public Made {
            right = new LinkedHashMap<>(right);
        }
    }

    /** The layer whose features the study looks at: after more than half of the layers a model knows what it was asked. */
    public int saeLayer() {
        return options.shape().nLayers() / 2;
    }

    /**
     * Makes everything under a directory that appears whole.
     *
     * @param pretraining receives the steps
     * @param examination receives the answers of the base model that are checked at the end
     */
    public Made make(Engine engine, Path root, Progress pretraining, Progress examination) {
        Deeds deeds = new Deeds(language, seed);
        Made[] made = new Made[1];
        AtomicFiles.writeDirectory(root, directory -> {
            Sets sets = new Sets(language, deeds, seed + SETS);
            List<PromptSet> asked = sets.asked(options.prompts());
            WorldFiles files = new WorldFiles(language, directory);
            files.writePairs(sets.pairs(options.pairs()));
            asked.forEach(files::write);
            files.writeTruth(asked);
            files.writeChoices(seed + CHOICES);
            files.writeStudy(options.plan(), saeLayer());
            made[0] = train(engine, directory, root, deeds, asked, pretraining, examination);
            AtomicFiles.writeJson(directory.resolve("world.json"), json(made[0], directory.resolve("model").resolve("model.safetensors")));
        });
        return made[0];
    }

    private Made train(Engine engine, Path directory, Path root, Deeds deeds, List<PromptSet> asked, Progress pretraining,
        Progress examination) {
        List<Corpus.Turn> corpus = new Corpus(language, deeds, seed + CORPUS).draw(options.training().conversations());
        Path target = directory.resolve("model");
        mkdir(target);
        int vocabulary = BpeTrainer.train(words(corpus), MOST_TOKENS_OF_VOCABULARY, ControlTokens.of(ModelFamily.GEMMA2),
            target.resolve("tokenizer.json"));
        ModelConfig config = ControlTokens.learntFor(config(vocabulary));
        try (CausalModel model = new CausalModel(engine, ModelWeights.random(config, engine, DType.F32, seed), false);
             Tokenizer tokenizer = Tokenizer.load(target)) {
            Pretraining.run(model, sequences(corpus, tokenizer), options.training().steps(), options.training().batchTokens(), LR, seed,
                pretraining);
            model.weights().writeInto(target, engine);
            return new Made(root, config.parameterCount(), examine(new Knowledge(model, tokenizer), deeds, asked, examination));
        }
    }

    private static void mkdir(Path directory) {
        try {
            Files.createDirectory(directory);
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    /** A sample names every word: the tokenizer learns them all. */
    private static List<String> words(List<Corpus.Turn> corpus) {
        return corpus.subList(0, Math.min(20_000, corpus.size())).stream().flatMap(turn -> Stream.of(turn.question(), turn.answer()))
            .toList();
    }

    private ModelConfig config(int vocabulary) {
        WorldOptions.Shape shape = options.shape();
        int nHeads = (int) (shape.dModel() / shape.headDim());
        return ModelConfig.gemma2().vocabSize(vocabulary).dModel(shape.dModel()).layers(shape.nLayers()).heads(nHeads, nHeads / 2)
            .headDim(shape.headDim()).dFf(shape.dFf()).slidingWindow(64).maxPositionEmbeddings(MOST_POSITIONS)
            .checkpointDtype(DType.F32).tokens(2, List.of(1, 5), 0).build();
    }

    private static List<TokenSequence> sequences(List<Corpus.Turn> corpus, Tokenizer tokenizer) {
        ChatTemplate template = new ChatTemplate(tokenizer);
        Map<Corpus.Turn, TokenSequence> known = new LinkedHashMap<>();
        return corpus.stream().map(turn -> known.computeIfAbsent(turn, _ -> TokenSequence.answered(
            template.prompt(List.of(new Message("user", turn.question()))), template.answer(turn.answer()), null))).toList();
    }

    private Map<String, Interval> examine(Knowledge knowledge, Deeds deeds, List<PromptSet> asked, Progress progress) {
        Map<String, Interval> right = new LinkedHashMap<>();
        for (PromptSet set : asked) {
            right.put(set.name(), knowledge.right(set.prompts().stream().map(p -> new Corpus.Turn(p.text(), p.compliance())).toList(),
                progress));
        }
        Random random = new Random(seed + EXAMINATION);
        Drawing drawing = new Drawing(language, deeds, random);
        List<Corpus.Turn> judgements = new ArrayList<>();
        for (Kind kind : Kind.values()) {
            for (int i = 0; i < options.prompts() / Kind.values().length; i++) {
                Words.Category category = drawing.pick(language.words().categories());
                Situation situation = drawing.situation(kind, drawing.pick(kind.deeds(language, category)));
                judgements.add(new Corpus.Turn(language.judgementQuestion(situation), language.judgement(situation)));
            }
        }
        right.put("judgements", knowledge.right(judgements, progress));
        return right;
    }

    private ObjectNode json(Made made, Path weights) {
        ObjectMapper mapper = JsonMapper.builder().propertyNamingStrategy(PropertyNamingStrategies.SNAKE_CASE).build();
        ObjectNode json = mapper.createObjectNode().put("format", 1).put("seed", seed).put("parameters", made.parameters());
        json.set("options", mapper.valueToTree(options));
        json.put("model_sha256", FileHash.sha256(weights));
        ObjectNode right = json.putObject("right_answers_of_the_base_model");
        made.right().forEach((name, interval) -> interval.writeInto(right.putObject(name)));
        return json;
    }
}
