package io.sails4j.saetrain;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.util.ArrayList;
import java.util.List;
import java.util.function.ToDoubleFunction;

/** {@link SaeLosses} in files, and their means. */
final class Losses {
    private static final String LAST = "last";

    private Losses() {
    }

    static ObjectNode json(SaeLosses losses) {
        return new ObjectMapper().createObjectNode().put("loss", losses.loss()).put("mse", losses.mse()).put("sparsity", losses.sparsity())
            .put("aux", losses.aux()).put("fvu", losses.fvu()).put("l0", losses.l0()).put("dead", losses.dead())
            .put("grad_norm", losses.gradNorm());
    }

    /** Bits of the last steps, for a checkpoint: a number that is not finite is no JSON. */
    static void put(ObjectNode json, List<SaeLosses> losses) {
        ArrayNode steps = json.putArray(LAST);
        for (SaeLosses of : losses) {
            ArrayNode bits = steps.addArray();
            for (double value : new double[] {of.loss(), of.mse(), of.sparsity(), of.aux(), of.fvu(), of.l0(), of.dead(), of.gradNorm()}) {
                bits.add(Double.doubleToLongBits(value));
            }
        }
    }

    static List<SaeLosses> read(JsonNode json) {
        List<SaeLosses> losses = new ArrayList<>();
        for (JsonNode bits : json.path(LAST)) {
            double[] of = new double[bits.size()];
            for (int i = 0; i < of.length; i++) {
                of[i] = Double.longBitsToDouble(bits.get(i).asLong());
            }
            losses.add(new SaeLosses(of[0], of[1], of[2], of[3], of[4], of[5], (int) of[6], of[7]));
        }
        return losses;
    }

    /** Means, and of the dead features the last number. */
    static SaeLosses mean(List<SaeLosses> losses) {
        if (losses.isEmpty()) {
            return new SaeLosses(Double.NaN, Double.NaN, Double.NaN, Double.NaN, Double.NaN, Double.NaN, 0, Double.NaN);
        }
        return new SaeLosses(mean(losses, SaeLosses::loss), mean(losses, SaeLosses::mse), mean(losses, SaeLosses::sparsity),
            mean(losses, SaeLosses::aux), mean(losses, SaeLosses::fvu), mean(losses, SaeLosses::l0), losses.getLast().dead(),
            mean(losses, SaeLosses::gradNorm));
    }

    private static double mean(List<SaeLosses> losses, ToDoubleFunction<SaeLosses> of) {
        return losses.stream().mapToDouble(of).average().orElse(Double.NaN);
    }
}
