package io.sails4j.backends;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.catchThrowableOfType;

import io.sails4j.NativeException;
import io.sails4j.align.AdapterOptions;
import io.sails4j.align.AlignOptions;
import io.sails4j.align.Constraint;
import io.sails4j.align.ConstraintOptions;
import io.sails4j.align.Method;
import io.sails4j.data.Progress;
import io.sails4j.model.AdapterStack;
import io.sails4j.model.CausalModel;
import io.sails4j.model.GenerationOptions;
import io.sails4j.model.Generator;
import io.sails4j.model.ModelSession;
import io.sails4j.ops.Engine;
import io.sails4j.run.AlignRun;
import io.sails4j.testing.Backends;
import io.sails4j.testing.TinyModel;
import io.sails4j.train.Objective;
import io.sails4j.train.ObjectiveOptions;
import io.sails4j.train.RunOptions;
import io.sails4j.train.RunOrigin;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.lang.foreign.Arena;
import java.lang.foreign.FunctionDescriptor;
import java.lang.foreign.Linker;
import java.lang.foreign.SymbolLookup;
import java.lang.foreign.ValueLayout;
import java.lang.invoke.MethodHandle;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.Set;
import java.util.function.Supplier;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** A device without room for the n-th allocation, for n = 1, 2, ...: one sentence, nothing left on the device, and the next try works. */
class DeviceMemoryFaultTest {
    @TempDir
    private Path temporary;

    @ParameterizedTest
    @ValueSource(strings = {"cpu", "emulator"})
    void everyAllocationMayFailWhileAModelIsOpenedUsedAndTrained(String backend) throws IOException, InterruptedException {
        Path library = compile(backend);
        MethodHandle failAllocation = Linker.nativeLinker().downcallHandle(
            SymbolLookup.libraryLookup(library, Arena.global()).findOrThrow("fail_allocation"),
            FunctionDescriptor.ofVoid(ValueLayout.JAVA_LONG));
        String before = System.setProperty("sails.library.dir", library.getParent().toString());
        try (Engine engine = Backends.open(backend)) {
            int[] prompt = {1, 2, 3, 4, 5};
            int opened = everyFailure(engine, failAllocation, () -> {
                TinyModel.open(engine).close();
                return true;
            });
            int used;
            int trained;
            try (CausalModel model = TinyModel.open(engine)) {
                used = everyFailure(engine, failAllocation, () -> {
                    try (ModelSession session = ModelSession.open(model)) {
                        return Arrays.toString(new Generator(session, AdapterStack.none()).generate(prompt,
                            GenerationOptions.greedy(4, Set.of()), null));
                    }
                });
                trained = everyFailure(engine, failAllocation, () -> train(model));
            }
            System.out.println(backend + ": device allocations that failed once each: " + opened + " while a model was opened, " + used
                + " while it wrote, " + trained + " while it was trained");
            assertThat(opened).isPositive();
            assertThat(used).isPositive();
            assertThat(trained).isGreaterThan(used);
        } finally {
            if (before == null) {
                System.clearProperty("sails.library.dir");
            } else {
                System.setProperty("sails.library.dir", before);
            }
        }
    }

    /** The loss after one step. */
    private Double train(CausalModel model) {
        AlignOptions options = AlignOptions.defaults().with(o -> {
            o.method = Method.LORA;
            o.objective = ObjectiveOptions.of(Objective.SFT);
            o.adapter = AdapterOptions.ofAttention(2);
            o.constraint = ConstraintOptions.of(Constraint.NONE);
            o.run = RunOptions.of(2);
            o.training = TinyModel.training(1, 1, 0.01);
        });
        try {
            Path out = Files.createTempDirectory(temporary, "run").resolve("out");
            return new AlignRun(model, Path.of("tiny"), options, null, RunOrigin.unknown())
                .run(TinyModel.pairs(4, 4), out, Progress.none(), TinyModel.AT_ONCE).lossAfter();
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    /** How many allocations there were to fail. */
    private static int everyFailure(Engine engine, MethodHandle failAllocation, Supplier<Object> action) {
        Object right = action.get();
        long held = engine.device().allocatedBytes();
        // Many small failures of one kind: a few of the late ones stand for the rest.
        for (int n = 0, tried = 0;; n += n < 6 ? 1 : 13, tried++) {
            failNext(failAllocation, n);
            NativeException told = catchThrowableOfType(NativeException.class, action::get);
            failNext(failAllocation, -1);
            assertThat(engine.device().allocatedBytes()).as("after allocation " + n + " failed").isEqualTo(held);
            if (told == null) {
                return tried;
            }
            assertThat(told.code()).isEqualTo(NativeException.OUT_OF_MEMORY);
            assertThat(told).hasMessageContaining("cannot allocate");
            assertThat(action.get()).as("after allocation " + n + " failed").isEqualTo(right);
        }
    }

    private static void failNext(MethodHandle failAllocation, long n) {
        try {
            failAllocation.invokeExact(n);
        } catch (Throwable e) {
            throw new AssertionError(e);
        }
    }

    private Path compile(String backend) throws IOException, InterruptedException {
        String directory = System.getProperty("sails.library.dir", System.getenv().getOrDefault("SAILS_LIBRARY_DIR",
            "../java-api/target/classes/io/sails4j/native/linux-x86_64"));
        Path real = Path.of(directory, "libsails_" + backend + ".so").toRealPath();
        Path library = temporary.resolve("libsails_" + backend + ".so");
        Process process = new ProcessBuilder(System.getenv().getOrDefault("CC", "gcc"), "-O1", "-shared", "-fPIC", "-I../native/include",
            "-o", library.toString(), "native/device_memory_faults.c", "-Wl,--no-as-needed", real.toString(),
            "-Wl,-rpath," + real.getParent(), "-ldl")
            .inheritIO().start();
        assertThat(process.waitFor()).as("compiling native/device_memory_faults.c").isZero();
        return library;
    }
}
