package io.sails4j.utility;

import io.sails4j.data.Origin;

/**
 * A text whose tokens are predicted.
 *
 * @param origin where it stands
 */
public record TextDocument(String text, Origin origin) {
}
