package io.sails4j.cli;

import io.sails4j.attack.AttackResult;
import io.sails4j.attack.Curve;
import io.sails4j.attack.Direction;
import io.sails4j.attack.Transfer;
import java.util.Locale;

/** An attack as tables: its own above, and those of the evaluation of what was answered. */
final class AttackTables {
    private final AttackResult result;

    AttackTables(AttackResult result) {
        this.result = result;
    }

    String render() {
        StringBuilder text = new StringBuilder();
        if (!result.curves().isEmpty()) {
            Table curves = Table.withHeader("arm", "prompts", "loss before", "loss after", "steps", "suffix");
            for (Curve curve : result.curves()) {
                curves.row(curve.arm(), curve.prompts().getFirst() + (curve.prompts().size() == 1 ? ""
                    : " and " + (curve.prompts().size() - 1) + " more"), loss(curve.losses().getFirst()), loss(curve.loss()),
                    curve.losses().size() - 1, curve.suffix().strip());
            }
            text.append(curves.render());
            if (!Double.isNaN(result.candidatesPerSecond())) {
                text.append(String.format(Locale.ROOT, "%n%.1f candidates/s%n", result.candidatesPerSecond()));
            }
            text.append('\n');
        }
        if (!result.transfers().isEmpty()) {
            Table transfers = Table.withHeader("arm", "suffix of prompt", "judge", "measure", "prompts", "value", "95 % interval", "n",
                "undecided", "suffix");
            for (Transfer t : result.transfers()) {
                boolean rate = t.metric().measure().isRate();
                transfers.row(t.arm(), t.from(), t.metric().judge(), t.metric().measure().key(), t.metric().wanted().key(),
                    EvalTables.shown(t.metric().interval().value(), rate), EvalTables.interval(t.metric().interval(), rate), t.metric().n(),
                    t.metric().undecided(), t.suffix().strip());
            }
            text.append(transfers.render()).append('\n');
        }
        for (Direction direction : result.directions()) {
            text.append(direction(direction)).append('\n');
        }
        return text.append(new EvalTables(result.evaluated()).render()).toString();
    }

    private static String direction(Direction direction) {
        String head = String.format(Locale.ROOT, "%s: the direction behind layer %d is taken out; log-odds of a refusal before %.2f%n",
            direction.arm(), direction.layer(), direction.logOddsBefore());
        if (direction.candidates().isEmpty()) {
            return head;
        }
        Table layers = Table.withHeader("layer", "log-odds of a refusal without it", "KL on harmless prompts");
        direction.candidates().forEach(layer -> layers.row(layer.layer(), loss(layer.logOdds()), loss(layer.kl())));
        return head + layers.render();
    }

    private static String loss(double loss) {
        return String.format(Locale.ROOT, "%.4f", loss);
    }
}
