/** What every part of the library may throw. */
@NullMarked
package io.sails4j;

import org.jspecify.annotations.NullMarked;
