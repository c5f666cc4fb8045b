/** Watches features of sparse autoencoders while a model generates, raises alarms by calibrated thresholds, and acts on them. */
@NullMarked
package io.sails4j.monitor;

import org.jspecify.annotations.NullMarked;
