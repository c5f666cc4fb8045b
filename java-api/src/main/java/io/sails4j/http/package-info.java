/** What every client of a server over HTTP needs: how long to wait, what a status means, foreign words in a sentence. */
@NullMarked
package io.sails4j.http;

import org.jspecify.annotations.NullMarked;
