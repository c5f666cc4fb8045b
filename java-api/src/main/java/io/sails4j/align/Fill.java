package io.sails4j.align;

/**
 * Where the subspace has fewer dimensions than r: an orthonormal complement fills the missing columns, or the rank of those modules
 * becomes r_s.
 */
public enum Fill {
    AUTO, COMPLEMENT, TRUNCATE
}
