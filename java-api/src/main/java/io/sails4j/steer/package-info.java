/** Features of sparse autoencoders changed and read while a model runs. */
@NullMarked
package io.sails4j.steer;

import org.jspecify.annotations.NullMarked;
