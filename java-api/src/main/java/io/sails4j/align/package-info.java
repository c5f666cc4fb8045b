/** How to align, as options: the method, its adapter, its constraint (SAILS, arXiv:2512.23260). */
@NullMarked
package io.sails4j.align;

import org.jspecify.annotations.NullMarked;
