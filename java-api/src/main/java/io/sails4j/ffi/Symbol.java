package io.sails4j.ffi;

import java.lang.annotation.ElementType;
import java.lang.annotation.Retention;
import java.lang.annotation.RetentionPolicy;
import java.lang.annotation.Target;

/**
 * The C function that a method of a section calls. The parameters are those of {@code sails.h} in its order, a pointer as
 * <ul>
 * <li>{@code long}: an address on the device, 0 for NULL,
 * <li>{@code long[]}, {@code int[]}, {@code float[]}: a host array, copied for the call; the parameter behind the last of them is their
 * length,
 * <li>{@code MemorySegment}: host memory, native.
 * </ul>
 * The device comes first in the header and is left out here. A method that returns a number returns what the function writes to the
 * {@code out_} pointer behind the device, which is left out too.
 */
@Retention(RetentionPolicy.RUNTIME)
@Target(ElementType.METHOD)
public @interface Symbol {
    /** The function's name, {@code sails_...}. */
    String value();

    /** The method takes all parameters and returns the status; for the functions that open, close and explain a handle. */
    boolean raw() default false;
}
