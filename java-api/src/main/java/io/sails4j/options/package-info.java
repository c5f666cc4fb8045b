/** Options that know their names: one description an option, from which files, checks, help and documentation follow. */
@NullMarked
package io.sails4j.options;

import org.jspecify.annotations.NullMarked;
