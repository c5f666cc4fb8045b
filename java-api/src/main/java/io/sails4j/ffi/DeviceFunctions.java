package io.sails4j.ffi;

import java.lang.foreign.MemorySegment;

/** The section "device" of {@code sails.h}: opening, closing and describing a device. */
public interface DeviceFunctions {
    @Symbol(value = "sails_abi_version", raw = true)
    int abiVersion(MemorySegment outVersion);

    @Symbol(value = "sails_device_open", raw = true)
    int deviceOpen(MemorySegment outDevice, int ordinal, int nThreads, MemorySegment options, MemorySegment errorText, long errorBytes);

    @Symbol(value = "sails_device_close", raw = true)
    int deviceClose(long device);

    @Symbol(value = "sails_device_error", raw = true)
    int deviceError(long device, MemorySegment text, long textBytes);

    @Symbol("sails_device_describe")
    void deviceDescribe(MemorySegment text, long textBytes);

    @Symbol("sails_device_host_accessible")
    int deviceHostAccessible();

    @Symbol("sails_device_memory")
    void deviceMemory(MemorySegment outAllocatedBytes, MemorySegment outPeakBytes);
}
