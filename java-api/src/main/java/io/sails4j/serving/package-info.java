/** One model for many callers: a scheduler of requests, and answers as streams of text. */
@NullMarked
package io.sails4j.serving;

import org.jspecify.annotations.NullMarked;
