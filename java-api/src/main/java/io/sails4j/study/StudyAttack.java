package io.sails4j.study;

import io.sails4j.InputException;
import io.sails4j.attack.Attack;
import io.sails4j.attack.GcgOptions;
import java.nio.file.Path;

/**
 * An attack on what was trained.
 *
 * @param name in the table
 * @param prompts that are attacked, those that want a refusal
 * @param limit the first prompts, 0 = all
 * @param seeds of the tests, the first ones, whose models are attacked; 0 = all
 * @param attack what is done
 */
public record StudyAttack(String name, Path prompts, int limit, int seeds, Attack attack) {
    public StudyAttack {
        if (attack instanceof Attack.Gcg(GcgOptions gcg) && gcg.transfer() != 0) {
            throw new InputException(
                "the attack '" + name + "' has transfer " + gcg.transfer() + ", expected 0: a study lends no suffixes");
        }
        if (limit < 0 || seeds < 0) {
            throw new InputException("the attack '" + name + "' has limit " + limit + " and seeds " + seeds + ", expected 0 (all) or more");
        }
    }

    /** Whether the model of a seed is attacked. */
    boolean attacks(long seed, StudyGrid grid) {
        int place = grid.seeds().indexOf(seed);
        return place >= 0 && (seeds == 0 || place < seeds);
    }
}
