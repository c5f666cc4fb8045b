/** Files as the library writes and reads its own: whole or not at all, JSON with the place of a fault. */
@NullMarked
package io.sails4j.files;

import org.jspecify.annotations.NullMarked;
