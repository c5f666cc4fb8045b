/** What is trained, as one object: planned from a configuration, opened on a model, written. */
@NullMarked
package io.sails4j.adaptation;

import org.jspecify.annotations.NullMarked;
