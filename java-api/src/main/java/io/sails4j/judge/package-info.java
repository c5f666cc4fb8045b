/** Judges of a model's answers: was a request refused, and how harmful is what was said. */
@NullMarked
package io.sails4j.judge;

import org.jspecify.annotations.NullMarked;
