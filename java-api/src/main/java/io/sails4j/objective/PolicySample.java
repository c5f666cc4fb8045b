package io.sails4j.objective;

import io.sails4j.data.TokenSequence;
import io.sails4j.train.Grade;
import java.util.List;

/**
 * An answer that is learned from.
 *
 * @param prompt its place among the prompts
 * @param sequence prompt and answer, of which the answer is counted
 * @param oldLogps of each token of the answer when it was sampled, empty where they are not known yet
 * @param referenceLogps the same of the untrained model, empty where there is none
 * @param advantage by how much it is better than other answers to the prompt
 */
record PolicySample(int prompt, TokenSequence sequence, int answerTokens, Grade grade, float[] oldLogps, float[] referenceLogps,
    double advantage) {

    static PolicySample graded(int prompt, TokenSequence sequence, int answerTokens, Grade grade) {
        return new PolicySample(prompt, sequence, answerTokens, grade, new float[0], new float[0], 0);
    }

    PolicySample withLogps(float[] old, float[] reference) {
        return new PolicySample(prompt, sequence, answerTokens, grade, old, reference, advantage);
    }

    PolicySample withAdvantage(double other) {
        return new PolicySample(prompt, sequence, answerTokens, grade, oldLogps, referenceLogps, other);
    }

    /** log pi - log pi_ref of the whole answer when it was sampled, NaN without a reference. */
    double logRatio() {
        if (referenceLogps.length == 0) {
            return Double.NaN;
        }
        double sum = 0;
        for (int t = 0; t < oldLogps.length; t++) {
            sum += (double) oldLogps[t] - referenceLogps[t];
        }
        return sum;
    }

    /** The place in a batch that predicts the answer's first token, where the sequence starts at {@code start}. */
    int firstPosition(int start) {
        return start + sequence.length() - answerTokens - 1;
    }

    /** Samples that follow one another and answer the same prompt, by the places of their first and the one after the last. */
    static int endOfGroup(List<PolicySample> samples, int from) {
        int end = from;
        while (end < samples.size() && samples.get(end).prompt == samples.get(from).prompt) {
            end++;
        }
        return end;
    }
}
