/** Prompts, answers and metrics: how safe and how helpful a model is, alone and beside others. */
@NullMarked
package io.sails4j.eval;

import org.jspecify.annotations.NullMarked;
