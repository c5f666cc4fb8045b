/** Files: safetensors, npz, JSON and how they are written. Bytes to tensors and back, every bound checked. */
@NullMarked
package io.sails4j.io;

import org.jspecify.annotations.NullMarked;
