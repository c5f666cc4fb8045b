package io.sails4j.ops;

import io.sails4j.ffi.NativeDevice;
import io.sails4j.tensor.Device;
import io.sails4j.tensor.Tensor;
import java.lang.invoke.MethodHandle;
import java.lang.invoke.MethodHandles;
import java.lang.invoke.MethodType;

/**
 * The native side of devices and tensors. Their package hides it from users, who would hold raw addresses otherwise, and Java knows no
 * package that shows itself to one other alone; within a module a lookup may see what is hidden, and as constants these cost nothing.
 */
final class Addresses {
    private static final MethodHandle HANDLE = find(Device.class, "handle", NativeDevice.class);
    private static final MethodHandle ADDRESS = find(Tensor.class, "address", long.class);

    private Addresses() {
    }

    private static MethodHandle find(Class<?> type, String method, Class<?> returned) {
        try {
            return MethodHandles.privateLookupIn(type, MethodHandles.lookup()).findVirtual(type, method, MethodType.methodType(returned));
        } catch (ReflectiveOperationException e) {
            throw new ExceptionInInitializerError(e);
        }
    }

    /** The handle, open or closed. */
    static NativeDevice handle(Device device) {
        try {
            return (NativeDevice) HANDLE.invokeExact(device);
        } catch (Throwable e) {
            throw unchecked(e);
        }
    }

    /** The device pointer of the first element; {@link IllegalStateException} once the buffer is closed. */
    static long of(Tensor tensor) {
        try {
            return (long) ADDRESS.invokeExact(tensor);
        } catch (Throwable e) {
            throw unchecked(e);
        }
    }

    private static RuntimeException unchecked(Throwable thrown) {
        if (thrown instanceof Error error) {
            throw error;
        }
        return thrown instanceof RuntimeException runtime ? runtime : new IllegalStateException(thrown);
    }
}
