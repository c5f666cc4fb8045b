package io.sails4j.serving;

import static org.assertj.core.api.Assertions.assertThat;

import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;
import java.util.SplittableRandom;
import org.junit.jupiter.api.Test;

class TextPiecesTest {
    /** Ids are bytes; half a character is U+FFFD. */
    private static String decode(int[] ids) {
        byte[] bytes = new byte[ids.length];
        for (int i = 0; i < ids.length; i++) {
            bytes[i] = (byte) ids[i];
        }
        return new String(bytes, StandardCharsets.UTF_8);
    }

    private static List<String> pieces(String text, String... stops) {
        TextPieces pieces = new TextPieces(TextPiecesTest::decode, List.of(stops));
        List<String> given = new ArrayList<>();
        for (byte b : text.getBytes(StandardCharsets.UTF_8)) {
            if (!pieces.stopped()) {
                given.add(pieces.add(b & 0xff));
            }
        }
        given.add(pieces.rest());
        given.removeIf(String::isEmpty);
        return given;
    }

    @Test
    void aCharacterComesOnceItsBytesAreThere() {
        assertThat(pieces("aé€😀")).containsExactly("a", "é", "€", "😀");
    }

    @Test
    void halfACharacterAtTheEndIsGivenAsDecodingGivesIt() {
        TextPieces pieces = new TextPieces(TextPiecesTest::decode, List.of());
        assertThat(pieces.add('x') + pieces.add(0xe2)).isEqualTo("x");
        assertThat(pieces.rest()).isEqualTo("\ufffd");
    }

    @Test
    void whatMayBecomeAStopStringWaits() {
        assertThat(pieces("ab<en>c<end>d", "<end>")).containsExactly("a", "b", "<en>", "c");
        assertThat(pieces("ab<en", "<end>")).containsExactly("a", "b", "<en");
    }

    @Test
    void theFirstStopStringEndsTheText() {
        assertThat(String.join("", pieces("one two three", "three", "wo"))).isEqualTo("one t");
        assertThat(String.join("", pieces("aaab", "aab"))).isEqualTo("a");
        assertThat(String.join("", pieces("stop", "stop"))).isEmpty();
    }

    @Test
    void piecesAreTheTextUpToTheFirstStopWhateverItIs() {
        SplittableRandom random = new SplittableRandom(4);
        for (int i = 0; i < 500; i++) {
            String text = random.ints(12, 0, 3).collect(StringBuilder::new, (b, c) -> b.append("aé<".charAt(c)), StringBuilder::append)
                .toString();
            String[] stops = random.ints(2, 0, 9).mapToObj(at -> text.substring(at, at + 2 + at % 2).replace('a', at % 4 == 0 ? 'x' : 'a'))
                .toArray(String[]::new);
            // A stop string that is whole first, as it comes token by token.
            int end = -1;
            int first = text.length();
            for (int to = 0; to <= text.length() && end < 0; to++) {
                for (String stop : stops) {
                    int at = text.substring(0, to).indexOf(stop);
                    if (at >= 0) {
                        end = to;
                        first = Math.min(first, at);
                    }
                }
            }
            assertThat(String.join("", pieces(text, stops))).as("%s with %s", text, List.of(stops)).isEqualTo(text.substring(0, first));
        }
    }
}
