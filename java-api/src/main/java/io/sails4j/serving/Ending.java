package io.sails4j.serving;

import org.jspecify.annotations.Nullable;

/**
 * How a completion ended.
 *
 * @param failure what broke, null where nothing did
 */
public record Ending(Finish finish, @Nullable Throwable failure) {
    static Ending of(Finish finish) {
        return new Ending(finish, null);
    }
}
