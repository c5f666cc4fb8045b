package io.sails4j.hub;

import io.sails4j.InputException;
import java.util.Optional;
import java.util.regex.Pattern;

/**
 * A model repository of the hub.
 *
 * @param id {@code org/name}
 */
public record HubRepo(String id) {
    /** As huggingface_hub's validate_repo_id: letters, digits, '-', '_', '.', none of '--' and '..', 96 characters. */
    private static final Pattern PART = Pattern.compile("[A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9_])?");

    public HubRepo {
        if (!isId(id)) {
            throw new InputException("'" + id + "' is no repository of the hub, expected ORG/NAME such as google/gemma-2-2b");
        }
    }

    /** Whether a text can be the name of a repository. */
    static boolean isId(String text) {
        String[] parts = text.split("/", -1);
        return parts.length == 2 && text.length() <= 96 && !text.contains("--") && !text.contains("..") && !text.endsWith(".git")
            && PART.matcher(parts[0]).matches() && PART.matcher(parts[1]).matches();
    }

    /** The directory's name in the cache: {@code models--org--name}. */
    String folder() {
        return "models--" + id.replace("/", "--");
    }

    /** The repository that a directory of the cache is for; empty where the name is not of that form. */
    static Optional<HubRepo> ofFolder(String folder) {
        String[] parts = folder.split("--", -1);
        boolean model = parts.length == 3 && parts[0].equals("models") && isId(parts[1] + "/" + parts[2]);
        return model ? Optional.of(new HubRepo(parts[1] + "/" + parts[2])) : Optional.empty();
    }

    @Override
    public String toString() {
        return id;
    }
}
