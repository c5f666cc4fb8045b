/** A text service over HTTP, in the form of OpenAI's interface. */
@NullMarked
package io.sails4j.serve;

import org.jspecify.annotations.NullMarked;
