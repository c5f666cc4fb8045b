/** How useful a model is beside how safe: perplexity, multiple choice, and how far it went from the base model on benign prompts. */
@NullMarked
package io.sails4j.utility;

import org.jspecify.annotations.NullMarked;
