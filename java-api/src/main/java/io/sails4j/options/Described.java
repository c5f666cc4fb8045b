package io.sails4j.options;

import java.lang.annotation.ElementType;
import java.lang.annotation.Retention;
import java.lang.annotation.RetentionPolicy;
import java.lang.annotation.Target;

/** A record component that is an option, and what it means. Its name is the component's in snake case. */
@Retention(RetentionPolicy.RUNTIME)
@Target(ElementType.RECORD_COMPONENT)
public @interface Described {
    /** One sentence, without a capital letter and a full stop. */
    String value();

    /** What stands for a value in help, where it is no enum: {@code N}, {@code LR}. */
    String label() default "";

    /** The name, where snake case does not give it. */
    String name() default "";

    /** Whether another value can change the result: then a run does not go on with another one. */
    boolean decides() default true;

    /**
     * What other options have to be for this one to do anything, empty = it always does: one of the texts must hold, and of a text all
     * parts. A part is {@code name=value|value} or {@code name>0}.
     */
    String[] usedWith() default {};
}
