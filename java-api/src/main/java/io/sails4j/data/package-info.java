/** Preference data, prompts, tokenizers, chat templates, batches. */
@NullMarked
package io.sails4j.data;

import org.jspecify.annotations.NullMarked;
