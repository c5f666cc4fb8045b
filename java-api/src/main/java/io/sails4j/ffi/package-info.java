/**
 * The Panama layer: {@code native/include/sails.h} as Java calls it, an interface for each of its sections and one declaration for each of
 * its functions, and the handles behind them. Nothing else touches the linker.
 */
@NullMarked
package io.sails4j.ffi;

import org.jspecify.annotations.NullMarked;
