/** Sparse autoencoders: files of Gemma Scope, SAELens, sparsify and Llama Scope, encode, decode and their gradients. */
@NullMarked
package io.sails4j.sae;

import org.jspecify.annotations.NullMarked;
