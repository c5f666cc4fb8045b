/** What people watch a run with: event files, plots, flight recorder events. */
@NullMarked
package io.sails4j.watch;

import org.jspecify.annotations.NullMarked;
