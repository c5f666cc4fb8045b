/** Models, adapters and SAEs of the Hugging Face hub: where they lie in its cache on this machine, and how they come there. */
@NullMarked
package io.sails4j.hub;

import org.jspecify.annotations.NullMarked;
