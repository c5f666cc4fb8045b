/**
 * One Java method per operation of {@code sails.h}, in a class for each of its sections. Shapes and types are checked here and nowhere
 * else.
 */
@NullMarked
package io.sails4j.ops;

import org.jspecify.annotations.NullMarked;
