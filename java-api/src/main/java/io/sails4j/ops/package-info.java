/** One Java method per operation of {@code sails.h}. Shapes and types are checked here and nowhere else. */
@NullMarked
package io.sails4j.ops;

import org.jspecify.annotations.NullMarked;
