/** Feature statistics, their principal components, the safety subspace. */
@NullMarked
package io.sails4j.subspace;

import org.jspecify.annotations.NullMarked;
