package io.sails4j.hub;

import java.nio.file.Path;

/**
 * A repository's files at one commit, in the cache.
 *
 * @param directory whose files are links into the cache
 * @param files that were asked for, all of them there now
 * @param bytes of those files
 * @param downloadedBytes that had to come over the network
 */
public record HubSnapshot(HubRepo repo, String commit, Path directory, int files, long bytes, long downloadedBytes) {
}
