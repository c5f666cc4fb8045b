package io.sails4j.judge;

import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Set;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/** What sentences do, by the regular expressions of {@code refusal-cues.txt}. */
final class Cues {
    private static final Pattern HEADING = Pattern.compile("\\[(\\w+)] (.+)");

    private final Map<String, Pattern> patterns = new LinkedHashMap<>();
    private final Map<String, String> words = new LinkedHashMap<>();

    private Cues() {
    }

    /** Those that the judge is delivered with. */
    static Cues delivered() {
        return parse(Rubric.resource("refusal-cues.txt"));
    }

    private static Cues parse(String text) {
        Cues cues = new Cues();
        int end = text.indexOf("\n{help}\n");
        String help = text.substring(end + "\n{help}\n".length()).strip();
        String name = "";
        Map<String, List<String>> lines = new LinkedHashMap<>();
        for (String line : text.substring(0, end).lines().filter(l -> !l.isBlank() && !l.startsWith("#")).toList()) {
            Matcher heading = HEADING.matcher(line);
            if (heading.matches()) {
                name = heading.group(1);
                cues.words.put(name, heading.group(2));
            } else {
                lines.computeIfAbsent(name, n -> new ArrayList<>()).add(line.replace("{help}", help));
            }
        }
        lines.forEach((cue, alternatives) -> cues.patterns.put(cue, Pattern.compile(String.join("|", alternatives))));
        return cues;
    }

    /** The names of all cues, in order. */
    Set<String> names() {
        return patterns.keySet();
    }

    /** What a sentence with this cue does, for people. */
    String words(String cue) {
        return Objects.requireNonNull(words.get(cue));
    }

    /** What a sentence does, in the order of the cues. */
    Set<String> in(AnswerText.Sentence sentence) {
        Set<String> found = new LinkedHashSet<>();
        patterns.forEach((name, pattern) -> {
            if (pattern.matcher(sentence.plain()).find()) {
                found.add(name);
            }
        });
        return found;
    }
}
