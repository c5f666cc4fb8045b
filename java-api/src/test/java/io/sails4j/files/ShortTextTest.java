package io.sails4j.files;

import static org.assertj.core.api.Assertions.assertThat;

import org.junit.jupiter.api.Test;

class ShortTextTest {
    @Test
    void charactersAreNotHalved() {
        String clef = "\ud834\udd1e";
        assertThat(ShortText.of("ab" + clef, 4)).isEqualTo("ab" + clef);
        assertThat(ShortText.of("ab" + clef + "cd", 5)).isEqualTo("ab...");
        assertThat(ShortText.of("a" + clef + "bcd", 5)).isEqualTo("a...");
        assertThat(ShortText.of("a" + clef + "bcd", 6)).isEqualTo("a" + clef + "bcd");
        assertThat(ShortText.of("abcdef", 5)).isEqualTo("ab...");
    }
}
