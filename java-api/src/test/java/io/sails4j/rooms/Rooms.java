package io.sails4j.rooms;

import com.tngtech.archunit.base.DescribedPredicate;
import com.tngtech.archunit.core.domain.Dependency;
import com.tngtech.archunit.core.domain.JavaClass;
import com.tngtech.archunit.lang.ArchCondition;
import com.tngtech.archunit.lang.ArchRule;
import com.tngtech.archunit.lang.ConditionEvents;
import com.tngtech.archunit.lang.SimpleConditionEvent;
import com.tngtech.archunit.lang.syntax.ArchRuleDefinition;
import com.tngtech.archunit.library.dependencies.SliceAssignment;
import com.tngtech.archunit.library.dependencies.SliceIdentifier;
import com.tngtech.archunit.library.dependencies.SlicesRuleDefinition;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;

/** The order of the packages, which docs/design.md states, as rules. */
public final class Rooms {
    private static final String ROOT = "io.sails4j.";

    private final Map<String, Integer> floors = new HashMap<>();

    /** @param floors from the lowest to the highest; rooms of one floor do not know one another */
    private Rooms(List<List<String>> floors) {
        for (int floor = 0; floor < floors.size(); floor++) {
            for (String room : floors.get(floor)) {
                this.floors.put(room, floor);
            }
        }
    }

    /** Those of the library. */
    public static Rooms ofLibrary() {
        return new Rooms(library());
    }

    /** Those of the library and of the command line above them. */
    public static Rooms ofCommandLine() {
        List<List<String>> floors = new ArrayList<>(library());
        floors.addAll(List.of(List.of("conformance"), List.of("parity", "demo", "serve"), List.of("bench"), List.of("cli")));
        return new Rooms(floors);
    }

    private static List<List<String>> library() {
        return List.of(List.of("options", "files", "stats", "http"), List.of("ffi"), List.of("tensor"), List.of("ops", "io"),
            List.of("config", "hub"),
            List.of("model", "sae"),
            List.of("lora", "data", "watch", "steer"),
            List.of("monitor"),
            List.of("train", "trace", "trainable", "serving"), List.of("align", "objective"), List.of("loop", "subspace"),
            List.of("adaptation", "persistence"),
            List.of("run"), List.of("judge", "explain", "utility"), List.of("saetrain"), List.of("eval", "saeeval", "recovery"),
            List.of("attack"), List.of("report"), List.of("study"));
    }

    /** Every class lies in a room, and knows those of lower floors alone. */
    public ArchRule importsPointDown() {
        return ArchRuleDefinition.classes().that(DescribedPredicate.describe("lie under " + ROOT, c -> c.getPackageName().startsWith(ROOT)))
            .should(new ArchCondition<JavaClass>("know rooms below their own alone") {
                @Override
                public void check(JavaClass from, ConditionEvents events) {
                    Integer floor = floors.get(room(from));
                    if (floor == null) {
                        events.add(SimpleConditionEvent.violated(from, from.getName() + " lies in no room: add " + from.getPackageName()
                            + " to the order of rooms and to docs/design.md"));
                        return;
                    }
                    for (Dependency dependency : from.getDirectDependenciesFromSelf()) {
                        JavaClass to = dependency.getTargetClass();
                        Integer below = floors.get(room(to));
                        if (to.getPackageName().startsWith(ROOT) && !room(to).equals(room(from)) && (below == null || below >= floor)) {
                            events.add(SimpleConditionEvent.violated(from,
                                room(from) + " must not know " + room(to) + ": " + dependency.getDescription()));
                        }
                    }
                }
            });
    }

    private static String room(JavaClass c) {
        // What lies below a room's package belongs to the room.
        return c.getPackageName().startsWith(ROOT) ? c.getPackageName().substring(ROOT.length()).replaceFirst("\\..*", "") : "";
    }

    /** No class of a package needs, over others of the package, itself. */
    public static ArchRule noCircleBetweenClassesOf(String room) {
        return SlicesRuleDefinition.slices().assignedFrom(new SliceAssignment() {
            @Override
            public SliceIdentifier getIdentifierOf(JavaClass c) {
                return c.getPackageName().equals(ROOT + room) ? SliceIdentifier.of(outermost(c).getSimpleName()) : SliceIdentifier.ignore();
            }

            @Override
            public String getDescription() {
                return "classes of " + room;
            }
        }).should().beFreeOfCycles();
    }

    private static JavaClass outermost(JavaClass c) {
        return c.getEnclosingClass().map(Rooms::outermost).orElse(c);
    }
}
