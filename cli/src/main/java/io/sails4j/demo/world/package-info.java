/** A generated language in which harm depends on combinations, and a model of it: small enough that its truth is known. */
@NullMarked
package io.sails4j.demo.world;

import org.jspecify.annotations.NullMarked;
