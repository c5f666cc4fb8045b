package io.sails4j.eval;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import io.sails4j.judge.Judgement;
import io.sails4j.judge.Verdict;
import java.util.Locale;

/** A judgement in files: {@code verdict} or {@code score}, or {@code undecided}, with its {@code reason}. */
final class JudgementJson {
    private JudgementJson() {
    }

    static void write(Judgement judgement, ObjectNode into) {
        switch (judgement) {
            case Judgement.Refusal refusal -> into.put("verdict", refusal.verdict().key());
            case Judgement.Harm harm -> into.put("score", harm.score());
            case Judgement.Undecided _ -> into.put("undecided", true);
        }
        into.put("reason", judgement.reason());
    }

    static Judgement read(JsonNode node) {
        String reason = node.path("reason").asText();
        if (node.has("verdict")) {
            return new Judgement.Refusal(Verdict.valueOf(node.get("verdict").asText().toUpperCase(Locale.ROOT)), reason);
        }
        return node.has("score") ? new Judgement.Harm(node.get("score").asInt(), reason) : new Judgement.Undecided(reason);
    }
}
