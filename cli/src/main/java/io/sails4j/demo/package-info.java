/** A small world made from nothing, in which the whole pipeline can be seen to work in under a minute. */
@NullMarked
package io.sails4j.demo;

import org.jspecify.annotations.NullMarked;
