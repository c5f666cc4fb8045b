package io.sails4j.report.page;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.NullSource;
import org.junit.jupiter.params.provider.ValueSource;

/** What pages are made of, piece by piece. */
class PageTest {
    @ParameterizedTest
    @NullSource
    @ValueSource(strings = {"javascript:alert(1)", "JaVaScRiPt:alert(1)", "data:text/html,<script>alert(1)</script>", "http://www.a.org/",
        "//www.a.org/", " https://www.a.org/", "https://", "https://www.a.org@evil.org/", "vbscript:x", "https:javascript:alert(1)", ""})
    void whatIsNoAddressOfTheWebIsNoLink(String link) {
        assertThat(Links.https(link)).isEmpty();
    }

    @Test
    void addressesStay() {
        assertThat(Links.https("https://www.neuronpedia.org/gemma-2-2b/20-x/7?a=b#c"))
            .isEqualTo("https://www.neuronpedia.org/gemma-2-2b/20-x/7?a=b#c");
    }

    @Test
    void textIsClean() {
        CleanOutput output = new CleanOutput();
        output.writeContent("a\u0000b\u007f\u0085\n\t\u202ec\ud83d\ude00 \ud83dd\ude00\uffff\ufdd0\ud83f\udffe");
        output.writeContent("<b>", 1, 2);
        assertThat(output.toString())
            .isEqualTo("a\u2400b\u2421\ufffd\n\t\u27e8U+202E\u27e9c\ud83d\ude00 \ufffdd\ufffd\ufffd\ufffd\ufffdb");
    }

    @Test
    void numbersForPeople() {
        assertThat(Numbers.shown(0.875, true)).isEqualTo("87.5 %");
        assertThat(Numbers.shown(1234.5678, false)).isEqualTo("1234.6");
        assertThat(Numbers.shown(1.23456, false)).isEqualTo("1.235");
        assertThat(Numbers.shown(-0.0123456, false)).isEqualTo("-0.0123");
        assertThat(Numbers.shown(7.62939453125e-05, false)).isEqualTo("7.63e-05");
        assertThat(Numbers.shown(Double.NaN, false)).isEqualTo("unknown");
        assertThat(Numbers.interval(0.25, 0.5, true)).isEqualTo("25.0 to 50.0 %");
        assertThat(Numbers.interval(null, 0.5, true)).isEqualTo("unknown");
        assertThat(Numbers.difference(0.425, true)).isEqualTo("+42.5 points");
        assertThat(Numbers.differenceInterval(-0.1, 0.2, true)).isEqualTo("-10.0 to +20.0 points");
        assertThat(Numbers.token("\n")).isEqualTo("\u23ce");
        assertThat(Numbers.token("  ")).isEqualTo("\u2423\u2423");
    }

    @Test
    void scalesHaveRoundTicksAndRoomForOneNumber() {
        assertThat(Scale.ofShares().ticks()).hasSize(6).startsWith(0.0).endsWith(1.0);
        assertThat(Scale.around(List.of(3.0)).share(3)).isEqualTo(0.5);
        assertThat(Scale.around(List.of(0.0, 0.0)).share(0)).isEqualTo(0.5);
        assertThat(Scale.fromZero(List.of(-2.0, 2.0)).share(0)).isEqualTo(0.5);
        assertThat(Scale.around(List.of()).least()).isZero();
        Bar bar = Bar.of(Scale.fromZero(List.of(-2.0, 2.0)), -2.0, -1.0, 0.5);
        assertThat(bar).isEqualTo(new Bar(true, 50, 0, 25, 62.5));
        assertThat(List.of(bar.left(), bar.width(), bar.reach())).containsExactly(25.0, 25.0, 62.5);
        assertThat(Bar.of(Scale.ofShares(), null, null, null).known()).isFalse();
    }

    @Test
    void tokensAreShadedFromNothingToTheStrongest() {
        List<TokenShade> shades = TokenShade.of(List.of("a", "b\n", "c", "d"), List.of(0.0, 0.01, 4.0, 4.0), 4);
        assertThat(shades).extracting(TokenShade::depth).containsExactly(0, 1, 9, 9);
        assertThat(shades).extracting(TokenShade::peak).containsExactly(false, false, true, false);
        assertThat(shades.get(1).token()).isEqualTo("b\u23ce\n");
        assertThat(TokenShade.of(List.of("a"), List.of(0.0), 0).getFirst().peak()).isFalse();
    }
}
