/** The Panama layer: {@code native/include/sails.h} as Java calls it, and the handles behind it. Nothing else touches the linker. */
@NullMarked
package io.sails4j.ffi;

import org.jspecify.annotations.NullMarked;
