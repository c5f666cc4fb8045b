package io.sails4j.ffi;

import static java.lang.constant.ConstantDescs.CD_MethodHandle;
import static java.lang.constant.ConstantDescs.CD_String;
import static java.lang.constant.ConstantDescs.CD_int;
import static java.lang.constant.ConstantDescs.CD_long;
import static java.lang.constant.ConstantDescs.CD_void;
import static java.lang.constant.ConstantDescs.INIT_NAME;

import io.sails4j.NativeException;
import java.lang.classfile.ClassBuilder;
import java.lang.classfile.ClassFile;
import java.lang.classfile.CodeBuilder;
import java.lang.classfile.TypeKind;
import java.lang.constant.ClassDesc;
import java.lang.constant.ConstantDescs;
import java.lang.constant.DirectMethodHandleDesc;
import java.lang.constant.DynamicConstantDesc;
import java.lang.constant.MethodTypeDesc;
import java.lang.foreign.FunctionDescriptor;
import java.lang.foreign.Linker;
import java.lang.foreign.MemoryLayout;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.lang.invoke.MethodHandle;
import java.lang.invoke.MethodHandles;
import java.lang.invoke.MethodType;
import java.lang.reflect.Method;
import java.util.Optional;

/**
 * Writes the subclass of {@link NativeDevice} that implements the sections for one library. A method of it reads
 * <pre>{@code
 *     public synchronized long sampleWorkspaceBytes(long nRows, long vocab) {
 *         check((int) HANDLE.invokeExact(begin(), out(), nRows, vocab), "sails_sample_workspace_bytes");
 *         return outLong();
 *     }
 * }</pre>
 * where HANDLE is a dynamic constant, so that the compiler knows the function and its address as it knows a number. It is resolved by the
 * first call: a process links what it calls. The class is hidden and belongs to its library; several of them live in one process.
 */
final class Binding {
    private static final Linker LINKER = Linker.nativeLinker();
    private static final ClassDesc DEVICE = NativeDevice.class.describeConstable().orElseThrow();
    private static final ClassDesc LIBRARY = NativeLibrary.class.describeConstable().orElseThrow();
    private static final DirectMethodHandleDesc LINK = ConstantDescs.ofConstantBootstrap(Binding.class.describeConstable().orElseThrow(),
        "link", CD_MethodHandle, ConstantDescs.CD_MethodType);

    private static final MethodHandle MISSING;

    static {
        try {
            MethodType type = MethodType.methodType(int.class, NativeLibrary.class, String.class);
            MISSING = MethodHandles.lookup().findStatic(Binding.class, "missing", type);
        } catch (ReflectiveOperationException e) {
            throw new ExceptionInInitializerError(e);
        }
    }

    private Binding() {
    }

    /** What makes devices of a library that are not open yet, (NativeLibrary)NativeDevice. */
    static MethodHandle constructor(NativeLibrary library) {
        byte[] bytes = ClassFile.of().build(ClassDesc.of(Binding.class.getPackageName(), "BoundDevice"), type -> {
            type.withFlags(ClassFile.ACC_FINAL).withSuperclass(DEVICE);
            MethodTypeDesc ofLibrary = MethodTypeDesc.of(CD_void, LIBRARY);
            type.withMethodBody(INIT_NAME, ofLibrary, 0,
                code -> code.aload(0).aload(1).invokespecial(DEVICE, INIT_NAME, ofLibrary).return_());
            for (Class<?> section : NativeDevice.class.getInterfaces()) {
                for (Method method : section.getMethods()) {
                    write(type, method);
                }
            }
        });
        try {
            MethodHandles.Lookup bound = MethodHandles.lookup().defineHiddenClassWithClassData(bytes, library, true);
            MethodHandle constructor = bound.findConstructor(bound.lookupClass(), MethodType.methodType(void.class, NativeLibrary.class));
            return constructor.asType(MethodType.methodType(NativeDevice.class, NativeLibrary.class));
        } catch (ReflectiveOperationException e) {
            throw new IllegalStateException("the class that was just written cannot be used", e);
        }
    }

    private static void write(ClassBuilder type, Method method) {
        MethodTypeDesc declared = describe(MethodType.methodType(method.getReturnType(), method.getParameterTypes()));
        int flags = ClassFile.ACC_PUBLIC | ClassFile.ACC_SYNCHRONIZED;
        type.withMethodBody(method.getName(), declared, flags, code -> write(code, method, method.getAnnotation(Symbol.class)));
    }

    private static void write(CodeBuilder code, Method method, Symbol symbol) {
        boolean returns = !symbol.raw() && method.getReturnType() != void.class;
        MethodType signature = signature(method, symbol.raw(), returns);
        if (!symbol.raw()) {
            code.aload(0); // for check, below everything else
        }
        code.ldc(DynamicConstantDesc.ofNamed(LINK, symbol.value(), CD_MethodHandle, describe(signature)));
        if (!symbol.raw()) {
            code.aload(0).invokevirtual(DEVICE, "begin", MethodTypeDesc.of(CD_long));
        }
        if (returns) {
            code.aload(0).invokevirtual(DEVICE, "out", MethodTypeDesc.of(CD_long));
        }
        Class<?>[] parameters = method.getParameterTypes();
        int count = count(parameters);
        for (int i = 0; i < parameters.length; i++) {
            int slot = code.parameterSlot(i);
            if (parameters[i].isArray()) {
                MethodTypeDesc list = describe(MethodType.methodType(long.class, parameters[i], long.class));
                code.aload(0).aload(slot).lload(code.parameterSlot(count)).invokevirtual(DEVICE, "list", list);
            } else {
                code.loadLocal(TypeKind.from(parameters[i]), slot);
            }
        }
        code.invokevirtual(CD_MethodHandle, "invokeExact", describe(signature));
        if (symbol.raw()) {
            code.ireturn();
            return;
        }
        code.ldc(symbol.value()).invokevirtual(DEVICE, "check", MethodTypeDesc.of(CD_void, CD_int, CD_String));
        if (!returns) {
            code.return_();
        } else if (method.getReturnType() == int.class) {
            code.aload(0).invokevirtual(DEVICE, "outInt", MethodTypeDesc.of(CD_int)).ireturn();
        } else {
            code.aload(0).invokevirtual(DEVICE, "outLong", MethodTypeDesc.of(CD_long)).lreturn();
        }
    }

    private static MethodTypeDesc describe(MethodType type) {
        return type.describeConstable().orElseThrow();
    }

    /** Which parameter is the length of the arrays: the one behind the last of them. */
    private static int count(Class<?>[] parameters) {
        int count = 0;
        for (int i = 0; i < parameters.length; i++) {
            count = parameters[i].isArray() ? i + 1 : count;
        }
        return count;
    }

    /** What the function takes. An address is passed as the integer that it is: the calling convention knows no difference. */
    private static MethodType signature(Method method, boolean raw, boolean returns) {
        MethodType signature = MethodType.methodType(int.class);
        if (!raw) {
            signature = signature.appendParameterTypes(long.class);
        }
        if (returns) {
            signature = signature.appendParameterTypes(long.class);
        }
        for (Class<?> parameter : method.getParameterTypes()) {
            signature = signature.appendParameterTypes(parameter.isArray() ? long.class : parameter);
        }
        return signature;
    }

    /** The constant behind a method: its function in the library of the class, or what says that the library lacks it. */
    @SuppressWarnings("unused") // called by the written classes
    static MethodHandle link(MethodHandles.Lookup caller, String function, Class<MethodHandle> type, MethodType signature)
        throws IllegalAccessException {
        NativeLibrary library = MethodHandles.classData(caller, ConstantDescs.DEFAULT_NAME, NativeLibrary.class);
        Optional<MemorySegment> symbol = library.find(function);
        if (symbol.isPresent()) {
            MemoryLayout[] layouts = signature.parameterList().stream().map(Binding::layout).toArray(MemoryLayout[]::new);
            return LINKER.downcallHandle(symbol.get(), FunctionDescriptor.of(ValueLayout.JAVA_INT, layouts));
        }
        return MethodHandles.dropArguments(MethodHandles.insertArguments(MISSING, 0, library, function), 0, signature.parameterList());
    }

    private static int missing(NativeLibrary library, String function) {
        throw new NativeException(function, NativeException.UNSUPPORTED,
            library.path() + " does not export it; the library is older than this program or incomplete: rebuild it");
    }

    private static MemoryLayout layout(Class<?> carrier) {
        if (carrier == MemorySegment.class) {
            return ValueLayout.ADDRESS;
        }
        if (carrier == int.class) {
            return ValueLayout.JAVA_INT;
        }
        if (carrier == float.class) {
            return ValueLayout.JAVA_FLOAT;
        }
        return carrier == double.class ? ValueLayout.JAVA_DOUBLE : ValueLayout.JAVA_LONG;
    }
}
