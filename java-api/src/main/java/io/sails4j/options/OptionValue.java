package io.sails4j.options;

/** A type of options with a spelling of its own: what files hold and what is shown. */
public interface OptionValue {
    /** As it is written, for enums their name in lower case. */
    String spelling();
}
