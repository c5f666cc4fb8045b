/** What a model computes for one batch, tensor by tensor, to be held against other implementations. */
@NullMarked
package io.sails4j.trace;

import org.jspecify.annotations.NullMarked;
