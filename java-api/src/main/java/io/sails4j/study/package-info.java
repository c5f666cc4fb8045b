/** Experiments as one file: arms that are trained, chosen and tested by one rule, with intervals over seeds. */
@NullMarked
package io.sails4j.study;

import org.jspecify.annotations.NullMarked;
