/** Gemma-2 and Llama-3: configuration, weights, forward, backward, generation. */
@NullMarked
package io.sails4j.model;

import org.jspecify.annotations.NullMarked;
