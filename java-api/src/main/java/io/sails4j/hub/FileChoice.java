package io.sails4j.hub;

import io.sails4j.InputException;
import io.sails4j.http.HttpAnswers;
import io.sails4j.io.ShardedTensors;
import java.util.ArrayList;
import java.util.List;
import java.util.Set;
import java.util.TreeSet;
import java.util.regex.Pattern;

/** Which of a repository's files are downloaded. A list from a server is not trusted: no name may leave the snapshot's directory. */
final class FileChoice {
    /** What is read here or belongs to a model beside its weights. Mistral's consolidated weights are the same numbers once more. */
    private static final List<String> USUAL = List.of("*.safetensors", "*.json", "tokenizer*", "*.model", "*.jinja", "*.npz", "vocab.*",
        "merges.txt", "LICENSE*", "NOTICE*", "USE_POLICY*");
    private static final Pattern DUPLICATE = Pattern.compile("consolidated.*\\.safetensors");
    private static final Pattern WEIGHTS = Pattern.compile(".*\\.(safetensors|npz)");
    private static final int MAX_FILES = 100_000;

    private FileChoice() {
    }

    /** The names to download, in the server's order. */
    static List<String> of(HubRequest request, List<String> listed) {
        if (listed.size() > MAX_FILES) {
            throw new InputException("the hub lists " + listed.size() + " files of " + request.repo() + ", more than " + MAX_FILES);
        }
        listed.forEach(name -> requireInside(request.repo(), name));
        List<Pattern> patterns = request.include().stream().map(FileChoice::glob).toList();
        List<Pattern> usual = USUAL.stream().map(FileChoice::glob).toList();
        List<String> chosen = new ArrayList<>();
        for (String name : listed) {
            boolean wanted = patterns.isEmpty()
                ? !name.contains("/") && fitsOne(name, usual) && !DUPLICATE.matcher(name).matches() : fitsOne(name, patterns);
            if (wanted && !ShardedTensors.isPickle(name)) {
                chosen.add(name);
            }
        }
        if (chosen.isEmpty() || patterns.isEmpty() && chosen.stream().noneMatch(WEIGHTS.asMatchPredicate())) {
            throw nothing(request, listed);
        }
        return chosen;
    }

    private static boolean fitsOne(String name, List<Pattern> patterns) {
        return patterns.stream().anyMatch(pattern -> pattern.matcher(name).matches());
    }

    /** Python's fnmatch without sets: '*' any characters, '?' one; a directory stands for what is in it. */
    private static Pattern glob(String text) {
        String pattern = (text.endsWith("/") ? text + "*" : text).replaceAll("\\*+", "*");
        StringBuilder regex = new StringBuilder();
        for (int i = 0; i < pattern.length(); i++) {
            char c = pattern.charAt(i);
            regex.append(c == '*' ? ".*" : c == '?' ? "." : Pattern.quote(String.valueOf(c)));
        }
        return Pattern.compile(regex.toString(), Pattern.DOTALL);
    }

    private static InputException nothing(HubRequest request, List<String> listed) {
        Set<String> places = new TreeSet<>();
        listed.stream().filter(WEIGHTS.asMatchPredicate()).forEach(name -> places.add(name.contains("/")
            ? name.substring(0, name.lastIndexOf('/') + 1) + "*" : name));
        boolean pickles = listed.stream().anyMatch(ShardedTensors::isPickle);
        String has = !places.isEmpty() ? "it has weights in " + some(places) + ": name some of them with include=GLOB"
            : pickles ? "it has Python pickles alone, which can run any code when they are read and are refused"
                : "it has no safetensors and no npz file";
        return new InputException(request.repo() + " has nothing that fits "
            + (request.include().isEmpty() ? "a model or an adapter at its top" : String.join(", ", request.include())) + "; " + has);
    }

    private static String some(Set<String> names) {
        return String.join(", ", names.stream().limit(5).toList()) + (names.size() > 5 ? " and " + (names.size() - 5) + " more" : "");
    }

    private static void requireInside(HubRepo repo, String name) {
        boolean inside = !name.isEmpty() && name.length() <= 1024 && name.indexOf('\\') < 0
            && name.chars().noneMatch(c -> c < ' ' || c == 127);
        for (String part : name.split("/", -1)) {
            inside &= !part.isEmpty() && !part.equals(".") && !part.equals("..") && part.length() <= 255;
        }
        if (!inside) {
            throw new InputException("the hub lists the file '" + HttpAnswers.shown(name) + "' of " + repo
                + ", which is no name inside the repository; nothing is downloaded");
        }
    }
}
