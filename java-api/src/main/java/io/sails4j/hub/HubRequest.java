package io.sails4j.hub;

import io.sails4j.InputException;
import java.util.List;
import java.util.regex.Pattern;

/**
 * What to download.
 *
 * @param revision branch, tag or commit
 * @param include patterns of file names, {@code *} standing for any characters, also '/'; empty = what lies at the repository's top and is
 *     read here: safetensors, JSON, the tokenizer, the licence
 */
public record HubRequest(HubRepo repo, String revision, List<String> include) {
    private static final Pattern REVISION = Pattern.compile("[A-Za-z0-9._+-]+(/[A-Za-z0-9._+-]+)*");

    public HubRequest {
        include = List.copyOf(include);
        if (!REVISION.matcher(revision).matches() || revision.contains("..") || revision.length() > 200) {
            throw new InputException("the revision is '" + revision + "', expected a branch, a tag or a commit");
        }
    }

    /** The usual files of the main branch. */
    public static HubRequest of(String id) {
        return new HubRequest(new HubRepo(id), "main", List.of());
    }
}
