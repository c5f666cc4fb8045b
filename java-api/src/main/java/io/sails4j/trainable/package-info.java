/** What is trained: all parameters, the factors of an adapter, or the core of one; with their gradients. */
@NullMarked
package io.sails4j.trainable;

import org.jspecify.annotations.NullMarked;
