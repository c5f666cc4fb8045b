/**
 * Every operation held against slow double-precision Java code, on whatever backend is open. In the main code because {@code sails
 * selftest} runs it on the user's machine and the benchmarks reuse its cases.
 */
@NullMarked
package io.sails4j.conformance;

import org.jspecify.annotations.NullMarked;
