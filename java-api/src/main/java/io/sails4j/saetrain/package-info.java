/** Training of sparse autoencoders, on vectors of a file or on the activations of a model. */
@NullMarked
package io.sails4j.saetrain;

import org.jspecify.annotations.NullMarked;
