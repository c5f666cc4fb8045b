/** What the features of a subspace mean, what an adapter changes, and what fires on a prompt. */
@NullMarked
package io.sails4j.explain;

import org.jspecify.annotations.NullMarked;
