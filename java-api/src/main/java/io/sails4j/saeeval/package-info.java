/** How good sparse autoencoders are: reconstruction, what it costs a model, features that are dead, dense or double, probes. */
@NullMarked
package io.sails4j.saeeval;

import org.jspecify.annotations.NullMarked;
