/** Benchmarks: operations, layers, training steps and decoding at the models' shapes, each beside what the device can do at most. */
@NullMarked
package io.sails4j.bench;

import org.jspecify.annotations.NullMarked;
