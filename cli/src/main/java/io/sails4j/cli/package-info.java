/** The command line: each command parses its options, calls one pipeline, and prints what it returned. */
@NullMarked
package io.sails4j.cli;

import org.jspecify.annotations.NullMarked;
