/** What evaluations, attacks, explanations and training runs came to, as one page that people read and one file that programs read. */
@NullMarked
package io.sails4j.report;

import org.jspecify.annotations.NullMarked;
