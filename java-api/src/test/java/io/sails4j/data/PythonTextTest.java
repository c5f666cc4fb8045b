package io.sails4j.data;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.Set;
import java.util.TreeSet;
import org.junit.jupiter.api.Test;

class PythonTextTest {
    /** All of {@code [c for c in range(0x110000) if not chr(c).strip()]} of Python 3. */
    private static final Set<Integer> SPACES = Set.of(0x9, 0xa, 0xb, 0xc, 0xd, 0x1c, 0x1d, 0x1e, 0x1f, 0x20, 0x85, 0xa0, 0x1680, 0x2000,
        0x2001, 0x2002, 0x2003, 0x2004, 0x2005, 0x2006, 0x2007, 0x2008, 0x2009, 0x200a, 0x2028, 0x2029, 0x202f, 0x205f, 0x3000);

    @Test
    void stripsWhatPythonStripsAndNothingElse() {
        Set<Integer> stripped = new TreeSet<>();
        for (int c = 0; c <= Character.MAX_CODE_POINT; c++) {
            String text = Character.toString(c);
            boolean blank = PythonText.isBlank(text);
            assertThat(PythonText.strip(text + "a" + text)).isEqualTo(blank ? "a" : text + "a" + text);
            if (blank) {
                stripped.add(c);
            }
        }
        assertThat(stripped).isEqualTo(new TreeSet<>(SPACES));
    }

    @Test
    void keepsWhiteSpaceInside() {
        assertThat(PythonText.strip("\u00a0 a\u00a0b \u3000\n")).isEqualTo("a\u00a0b");
        assertThat(PythonText.strip("\u200ba\u200b")).isEqualTo("\u200ba\u200b");
        assertThat(PythonText.strip("")).isEmpty();
        assertThat(PythonText.isBlank(" \u2007\u0085")).isTrue();
    }
}
