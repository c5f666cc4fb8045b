/** The run from a model and pairs to an adapter on disk. */
@NullMarked
package io.sails4j.run;

import org.jspecify.annotations.NullMarked;
