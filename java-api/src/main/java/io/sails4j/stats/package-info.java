/** Rates, means and agreement with their intervals. */
@NullMarked
package io.sails4j.stats;

import org.jspecify.annotations.NullMarked;
