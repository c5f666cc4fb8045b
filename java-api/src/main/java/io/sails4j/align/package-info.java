/** The SAILS pipeline (arXiv:2512.23260): feature statistics, safety subspace, adapter, training run. */
@NullMarked
package io.sails4j.align;

import org.jspecify.annotations.NullMarked;
