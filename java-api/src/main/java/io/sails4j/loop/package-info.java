/** The training loop: steps over micro-batches, the optimizer, memory planned and taken once. */
@NullMarked
package io.sails4j.loop;

import org.jspecify.annotations.NullMarked;
