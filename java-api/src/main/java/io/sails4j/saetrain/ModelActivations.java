package io.sails4j.saetrain;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import io.sails4j.InputException;
import io.sails4j.data.TokenSequence;
import io.sails4j.model.AdapterStack;
import io.sails4j.model.CausalModel;
import io.sails4j.model.ForwardOptions;
import io.sails4j.model.ModelSession;
import io.sails4j.model.Site;
import io.sails4j.objective.LengthBatches;
import io.sails4j.objective.SequenceBatch;
import io.sails4j.tensor.DType;
import io.sails4j.tensor.Tensor;
import io.sails4j.tensor.TensorArena;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Random;
import java.util.stream.IntStream;

/**
 * The residual stream of a model after some layers, all of them from one forward pass. Texts come in an order that the seed decides; the
 * vectors of as many texts as the buffer holds are shuffled together, handed out, and the buffer is filled anew. So a run goes on from the
 * number of a text and a place in the buffer.
 */
public final class ModelActivations implements ActivationSource {
    private final CausalModel model;
    private final List<TokenSequence> sequences;
    private final List<Integer> layers;
    private final SaeBatching batching;
    private final long seed;
    private final int dIn;
    private final int room;
    private final int skipped;
    private final Arena arena = Arena.ofShared();
    private final List<MemorySegment> buffers = new ArrayList<>();
    private final ModelSession session;
    private final TensorArena memory;
    /** Texts before those of the buffer, over all epochs, and after them. */
    private long firstText;
    private long nextText;
    private int[] order = new int[0];
    private int place;

    /**
     * Vectors of texts.
     *
     * @param layers rising, each once
     * @param seed of the order of texts and vectors
     */
    public ModelActivations(CausalModel model, List<TokenSequence> sequences, List<Integer> layers, SaeBatching batching, long seed) {
        this.model = model;
        this.skipped = batching.firstTokens() ? 0 : 1;
        this.sequences = sequences.stream().filter(s -> s.length() > skipped).toList();
        this.layers = layers.stream().distinct().sorted().toList();
        this.batching = batching;
        this.seed = seed;
        this.dIn = Math.toIntExact(model.config().dModel());
        requireLayers();
        long all = this.sequences.stream().mapToLong(s -> s.length() - skipped).sum();
        if (all == 0) {
            throw new InputException("the data has no token to train on: texts need " + (skipped + 1) + " tokens or more");
        }
        int longest = this.sequences.stream().mapToInt(s -> s.length() - skipped).max().orElse(0);
        this.room = Math.toIntExact(Math.max(longest, Math.min(all, batching.bufferTokens())));
        for (int _ : this.layers) {
            buffers.add(arena.allocate(4L * room * dIn, 64));
        }
        this.session = ModelSession.open(model);
        this.memory = new TensorArena(model.engine().device());
    }

    private void requireLayers() {
        if (layers.isEmpty()) {
            throw new InputException("layers is empty, expected the numbers of layers");
        }
        for (int layer : layers) {
            InputException.requireOption(layer >= 0 && layer < model.config().nLayers(), "layers", layer,
                "layers from 0 to " + (model.config().nLayers() - 1));
        }
    }

    @Override
    public List<Integer> layers() {
        return layers;
    }

    @Override
    public int dIn() {
        return dIn;
    }

    @Override
    public String name() {
        return "the residual stream after layers " + layers;
    }

    @Override
    public float[][] peek(int n) {
        fillIfUsedUp();
        int there = Math.min(n, order.length - place);
        float[][] vectors = new float[layers.size()][there * dIn];
        for (int i = 0; i < there; i++) {
            copy(order[place + i], vectors, i);
        }
        return vectors;
    }

    @Override
    public float[][] next(int n) {
        float[][] vectors = new float[layers.size()][Math.multiplyExact(n, dIn)];
        for (int i = 0; i < n; i++) {
            fillIfUsedUp();
            copy(order[place++], vectors, i);
        }
        return vectors;
    }

    private void copy(int row, float[][] vectors, int to) {
        for (int l = 0; l < vectors.length; l++) {
            MemorySegment.copy(buffers.get(l), ValueLayout.JAVA_FLOAT, 4L * row * dIn, vectors[l], to * dIn, dIn);
        }
    }

    private void fillIfUsedUp() {
        if (place == order.length) {
            firstText = nextText;
            fill();
            place = 0;
        }
    }

    /** Texts from {@link #firstText} on, as many as there is room for. */
    private void fill() {
        List<TokenSequence> texts = new ArrayList<>();
        int rows = 0;
        nextText = firstText;
        while (true) {
            RowOrder epoch = RowOrder.of(sequences.size(), seed, nextText / sequences.size());
            TokenSequence text = sequences.get(Math.toIntExact(epoch.at(nextText % sequences.size())));
            if (rows + text.length() - skipped > room) {
                break;
            }
            texts.add(text);
            rows += text.length() - skipped;
            nextText++;
        }
        run(texts);
        order = shuffled(rows, new Random(seed * 1_000_003 + firstText));
    }

    private static int[] shuffled(int n, Random random) {
        int[] order = IntStream.range(0, n).toArray();
        for (int i = n - 1; i > 0; i--) {
            int j = random.nextInt(i + 1);
            int held = order[i];
            order[i] = order[j];
            order[j] = held;
        }
        return order;
    }

    private void run(List<TokenSequence> texts) {
        int row = 0;
        for (int[] indices : LengthBatches.byLength(texts.stream().mapToInt(TokenSequence::length).toArray(),
            batching.modelBatchTokens())) {
            SequenceBatch batch = SequenceBatch.of(Arrays.stream(indices).mapToObj(texts::get).toList(), false);
            int[] rows = IntStream.range(0, indices.length).flatMap(i -> IntStream.range(batch.starts()[i] + skipped, batch.ends()[i]))
                .toArray();
            int from = row;
            session.forward(batch.tokens(), AdapterStack.none(), new ForwardOptions(false, layers.getLast(), (site, layer, stream) -> {
                int at = site == Site.LAYER ? layers.indexOf(layer) : -1;
                if (at >= 0) {
                    take(stream, rows, buffers.get(at).asSlice(4L * from * dIn, 4L * rows.length * dIn));
                }
            })).close();
            row += rows.length;
        }
    }

    private void take(Tensor stream, int[] rows, MemorySegment to) {
        memory.reset();
        Tensor chosen = memory.allocate(DType.F32, rows.length, dIn);
        model.engine().ops().elementwise().gatherRows(chosen, stream, memory.of(rows, rows.length));
        chosen.download(to);
    }

    @Override
    public void putState(ObjectNode json) {
        json.put("first_text", firstText).put("place", place);
    }

    @Override
    public void restore(JsonNode json) {
        firstText = json.path("first_text").asLong();
        fill();
        place = json.path("place").asInt();
    }

    @Override
    public long bufferBytes() {
        return 4L * room * dIn * layers.size();
    }

    @Override
    public void close() {
        memory.close();
        session.close();
        arena.close();
    }
}
