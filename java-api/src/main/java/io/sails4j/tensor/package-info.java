/** Shapes, element types, host and device tensors, and the memory behind them. */
@NullMarked
package io.sails4j.tensor;

import org.jspecify.annotations.NullMarked;
