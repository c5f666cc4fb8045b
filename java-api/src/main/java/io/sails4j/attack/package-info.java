/** Attacks on one's own models, to measure how far their refusals hold: suffixes found by gradient, answers begun, directions removed. */
@NullMarked
package io.sails4j.attack;

import org.jspecify.annotations.NullMarked;
