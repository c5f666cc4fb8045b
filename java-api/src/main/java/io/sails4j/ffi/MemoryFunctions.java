package io.sails4j.ffi;

import java.lang.foreign.MemorySegment;

/** The section "memory" of {@code sails.h}: device memory and the queue. */
public interface MemoryFunctions {
    @Symbol("sails_alloc")
    long alloc(long bytes);

    @Symbol("sails_free")
    void free(long pointer);

    @Symbol("sails_upload")
    void upload(long destination, MemorySegment hostSource, long bytes);

    @Symbol("sails_download")
    void download(MemorySegment hostDestination, long source, long bytes);

    @Symbol("sails_copy")
    void copy(long destination, long source, long bytes);

    @Symbol("sails_fill_zero")
    void fillZero(long destination, long bytes);

    @Symbol("sails_synchronize")
    void synchronize();
}
