package io.sails4j.align;

/** Where r_s < r: an orthonormal complement fills the missing columns, or the rank of those modules becomes r_s. */
public enum Fill {
    AUTO, COMPLEMENT, TRUNCATE
}
