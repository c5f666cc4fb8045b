package io.sails4j.machinecode;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** The reader of machine code, on what nvcc made of {@code machinecode/sample.cu}, where each kernel shows one thing. */
class MachineCodeTest {

    private static final Path SAMPLES = Path.of("src", "test", "resources", "machinecode");
    private static final Path TABLE = Path.of("..", "kernels", "promises.txt");

    @TempDir
    Path folder;

    private static Findings findings(String architecture, String kernel) throws IOException {
        return Cubin.read(SAMPLES.resolve("sample." + architecture + ".cubin")).kernels().stream()
            .filter(k -> k.symbol().startsWith("_Z" + kernel.length() + kernel))
            .map(Findings::of)
            .findFirst()
            .orElseThrow();
    }

    private static int number(String architecture, String kernel, String name) throws IOException {
        return findings(architecture, kernel).numbers().get(name);
    }

    @Test
    void readsTheArchitecture() throws IOException {
        assertThat(Cubin.read(SAMPLES.resolve("sample.sm_80.cubin")).architecture()).isEqualTo("sm_80");
        assertThat(Cubin.read(SAMPLES.resolve("sample.sm_90a.cubin")).architecture()).isEqualTo("sm_90");
    }

    @Test
    void countsAccessesByWidth() throws IOException {
        for (String architecture : new String[] {"sm_80", "sm_90a"}) {
            assertThat(findings(architecture, "wide").numbers())
                .containsAllEntriesOf(Map.of("loads.128", 1, "stores.128", 1, "loads.32", 0, "stores.32", 0));
            for (int bits : new int[] {8, 16, 32, 64}) {
                assertThat(number(architecture, "narrow", "loads." + bits)).as("loads.%d", bits).isEqualTo(1);
                assertThat(number(architecture, "narrow", "stores." + bits)).as("stores.%d", bits).isEqualTo(1);
            }
        }
    }

    /** Stack as ptxas -v says; it says 240 and 264 bytes of spills on sm_80, 4 of them an instruction, some pairs. */
    @Test
    void countsStackSpillsAndRegisters() throws IOException {
        assertThat(findings("sm_80", "spilling").numbers())
            .containsAllEntriesOf(Map.of("stack", 136, "spills", 124, "registers", 64));
        assertThat(number("sm_90a", "spilling", "stack")).isEqualTo(136);
        assertThat(number("sm_90a", "wide", "spills")).isZero();
    }

    @Test
    void countsRegionsOfOneSpecialFunction() throws IOException {
        assertThat(findings("sm_90a", "branching").numbers()).containsAllEntriesOf(Map.of("regions", 1, "regions-of-one", 1));
        assertThat(number("sm_90a", "wide", "regions")).isZero();
    }

    @Test
    void countsLoadsBeforeTheWait() throws IOException {
        assertThat(findings("sm_90a", "early").numbers())
            .containsAllEntriesOf(Map.of("waits", 1, "loads-before-wait", 2, "loads.32", 3));
        assertThat(number("sm_90a", "narrow", "loads-before-wait")).isZero();
    }

    @Test
    void showsProductsAndWaitsInTheirOrder() throws IOException {
        assertThat(findings("sm_90a", "products").order()).containsExactly("SSx2", "SSx2", "wait<1>", "wait<0>");
        assertThat(number("sm_90a", "products", "lone-products")).isZero();
        assertThat(number("sm_90a", "serialized", "lone-products")).isEqualTo(4);
    }

    @Test
    void aBrokenPromiseIsASentence() throws IOException {
        Path table = folder.resolve("table.txt");
        Files.writeString(table, """
                # comment
                any wi*
                  stores.128 == 1
                  stores.32 <= 0   # comment
                sm_90 wide
                  loads.128 >= 2
                sm_90 products
                  order SSx2 wait<1>
                  order SSx4
                """);
        Promises promises = Promises.read(table);
        assertThat(promises.check("sm_80", "wide", findings("sm_80", "wide"))).isEmpty();
        assertThat(promises.check("sm_90", "wide", findings("sm_90a", "wide")))
            .containsExactly("wide on sm_90: loads.128 is 1, expected >= 2 (" + table + ":6).");
        assertThat(promises.check("sm_90", "products", findings("sm_90a", "products")))
            .containsExactly("products on sm_90: products and waits stand as SSx2 SSx2 wait<1> wait<0>, expected in them SSx4 ("
                + table + ":9).");
    }

    @Test
    void aLineThatIsNoPromiseIsNamed() throws IOException {
        Path table = folder.resolve("table.txt");
        Files.writeString(table, "sm_90 wide\n  stores.127 == 1\n");
        assertThatThrownBy(() -> Promises.read(table)).hasMessageContaining(":2: found \"stores.127 == 1\", expected");
        Files.writeString(table, "  stores.128 == 1\n");
        assertThatThrownBy(() -> Promises.read(table)).hasMessageContaining(":1: found \"stores.128 == 1\", expected a line like");
    }

    @Test
    void aFileThatIsNoCubinIsNamed() throws IOException {
        assertThatThrownBy(() -> Cubin.read(SAMPLES.resolve("sample.cu")))
            .hasMessageContaining("sample.cu is not read: found no 64-bit ELF header; expected a file that nvcc -cubin wrote.");
        byte[] cut = Files.readAllBytes(SAMPLES.resolve("sample.sm_80.cubin"));
        Path half = folder.resolve("half.cubin");
        Files.write(half, java.util.Arrays.copyOf(cut, cut.length / 2));
        assertThatThrownBy(() -> Cubin.read(half)).hasMessageContaining("half.cubin is not read");
        assertThatThrownBy(() -> Cubin.read(folder.resolve("none.cubin"))).hasMessageContaining("is not there");
    }

    @Test
    void theTableIsUnderstood() throws IOException {
        assertThat(Promises.read(TABLE).entries()).isNotEmpty().allSatisfy(entry -> assertThat(entry.promises()).isNotEmpty());
    }

    @Test
    void namesAreAsInTheSources() {
        assertThat(CheckMachineCode.shortened(
            "void sails::kernels::gemv<sails::kernels::bf16, float, 1, 1, false>(sails::kernels::TypedGemv<float>)"))
            .isEqualTo("gemv<bf16, float, 1, 1, false>");
        assertThat(CheckMachineCode.shortened("sails::(anonymous namespace)::probe(int*)")).isEqualTo("sails::probe");
    }
}
