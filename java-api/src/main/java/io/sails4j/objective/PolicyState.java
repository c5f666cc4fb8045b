package io.sails4j.objective;

import io.sails4j.data.TokenPrompt;
import io.sails4j.data.TokenSequence;
import io.sails4j.io.SafetensorsFile;
import io.sails4j.tensor.HostTensor;
import io.sails4j.train.Grade;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.SequencedMap;

/**
 * Answers that more steps learn from, as tensors of a checkpoint: {@code rollout.samples} [n, 3] I32 (place of the prompt, tokens of prompt
 * and answer, tokens of the answer), {@code rollout.ids} I32, {@code rollout.old_logps} and {@code rollout.reference_logps} F32 one behind
 * the other, {@code rollout.grades} [n, 4] F64 (reward, refusal, decided, advantage).
 */
final class PolicyState {
    static final String PREFIX = "rollout.";
    private static final int SIZES = 3;
    private static final int GRADES = 4;

    private PolicyState() {
    }

    /** No tensors where there are no answers. */
    static SequencedMap<String, HostTensor> of(List<PolicySample> samples) {
        SequencedMap<String, HostTensor> tensors = new LinkedHashMap<>();
        if (samples.isEmpty()) {
            return tensors;
        }
        int n = samples.size();
        int[] sizes = samples.stream().flatMapToInt(s -> Arrays.stream(new int[] {s.prompt(), s.sequence().length(), s.answerTokens()}))
            .toArray();
        int[] ids = samples.stream().flatMapToInt(s -> Arrays.stream(s.sequence().ids())).toArray();
        double[] grades = samples.stream().flatMapToDouble(s -> Arrays.stream(new double[] {s.grade().reward(), s.grade().refusal(),
            s.grade().decided() ? 1 : 0, s.advantage()})).toArray();
        tensors.put(PREFIX + "samples", HostTensor.ofInts(sizes, n, SIZES));
        tensors.put(PREFIX + "ids", HostTensor.ofInts(ids, ids.length));
        tensors.put(PREFIX + "grades", HostTensor.ofDoubles(grades, n, GRADES));
        putFloats(tensors, "old_logps", samples.stream().map(PolicySample::oldLogps).toList());
        putFloats(tensors, "reference_logps", samples.stream().map(PolicySample::referenceLogps).toList());
        return tensors;
    }

    private static void putFloats(SequencedMap<String, HostTensor> tensors, String name, List<float[]> parts) {
        float[] all = new float[parts.stream().mapToInt(p -> p.length).sum()];
        int at = 0;
        for (float[] part : parts) {
            System.arraycopy(part, 0, all, at, part.length);
            at += part.length;
        }
        tensors.put(PREFIX + name, HostTensor.ofFloats(all, all.length));
    }

    /** What {@link #of} gave; none where the file has none. */
    static List<PolicySample> read(SafetensorsFile file, List<TokenPrompt> prompts) {
        if (!file.names().contains(PREFIX + "samples")) {
            return List.of();
        }
        int[] sizes = file.tensor(PREFIX + "samples").toIntArray();
        int[] ids = file.tensor(PREFIX + "ids").toIntArray();
        double[] grades = file.tensor(PREFIX + "grades").toDoubleArray();
        float[] old = file.tensor(PREFIX + "old_logps").toFloatArray();
        float[] reference = file.tensor(PREFIX + "reference_logps").toFloatArray();
        List<PolicySample> samples = new ArrayList<>();
        int id = 0;
        int answer = 0;
        for (int i = 0; i < sizes.length / SIZES; i++) {
            TokenPrompt prompt = prompts.get(sizes[SIZES * i]);
            int length = sizes[SIZES * i + 1];
            int tokens = sizes[SIZES * i + 2];
            boolean[] counted = new boolean[length];
            Arrays.fill(counted, length - tokens, length, true);
            TokenSequence sequence = new TokenSequence(Arrays.copyOfRange(ids, id, id + length), counted, prompt.origin());
            Grade grade = new Grade(grades[GRADES * i], grades[GRADES * i + 1], grades[GRADES * i + 2] != 0);
            samples.add(new PolicySample(sizes[SIZES * i], sequence, tokens, grade, Arrays.copyOfRange(old, answer, answer + tokens),
                reference.length == 0 ? new float[0] : Arrays.copyOfRange(reference, answer, answer + tokens), grades[GRADES * i + 3]));
            id += length;
            answer += tokens;
        }
        return samples;
    }
}
