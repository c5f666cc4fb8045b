/** What a model is, in numbers: configuration files of Gemma-2 and Llama-3 and the names of their modules. */
@NullMarked
package io.sails4j.config;

import org.jspecify.annotations.NullMarked;
