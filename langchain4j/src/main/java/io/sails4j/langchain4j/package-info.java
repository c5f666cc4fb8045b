/** A {@link io.sails4j.serving.TextService} as models of LangChain4j, and its monitor as a guardrail. */
@NullMarked
package io.sails4j.langchain4j;

import org.jspecify.annotations.NullMarked;
