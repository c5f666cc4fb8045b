package io.sails4j.report.page;

import gg.jte.TemplateOutput;

/**
 * Text without what a page must not hold or a reader cannot see: control characters, halves of surrogate pairs, and marks that change the
 * direction of what follows are shown by a sign of their own. Everything that a page is made of goes through it.
 */
final class CleanOutput implements TemplateOutput {
    private static final int CONTROL_PICTURES = 0x2400;
    private static final int DELETE = 0x7f;
    private static final int DELETE_PICTURE = 0x2421;
    private static final char REPLACEMENT = '\ufffd';

    private final StringBuilder text = new StringBuilder();

    @Override
    public void writeContent(String value) {
        writeContent(value, 0, value.length());
    }

    @Override
    public void writeContent(String value, int beginIndex, int endIndex) {
        for (int i = beginIndex; i < endIndex; i++) {
            char c = value.charAt(i);
            if (Character.isHighSurrogate(c) && i + 1 < endIndex && Character.isLowSurrogate(value.charAt(i + 1))) {
                int pair = value.codePointAt(i++);
                // The last two of each plane are no characters.
                text.appendCodePoint((pair & 0xfffe) == 0xfffe ? REPLACEMENT : pair);
            } else {
                append(c);
            }
        }
    }

    private void append(char c) {
        if (c == '\n' || c == '\t') {
            text.append(c);
        } else if (c < ' ') {
            text.append((char) (CONTROL_PICTURES + c));
        } else if (c == DELETE) {
            text.append((char) DELETE_PICTURE);
        } else if (Character.isISOControl(c) || Character.isSurrogate(c) || isNoCharacter(c)) {
            text.append(REPLACEMENT);
        } else if (isDirection(c)) {
            text.append(String.format("\u27e8U+%04X\u27e9", (int) c));
        } else {
            text.append(c);
        }
    }

    private static boolean isNoCharacter(char c) {
        return c >= 0xfffe || c >= 0xfdd0 && c <= 0xfdef;
    }

    /** Unicode Standard Annex 9, table 4: what embeds, overrides, isolates or marks a direction. */
    private static boolean isDirection(char c) {
        return c >= 0x202a && c <= 0x202e || c >= 0x2066 && c <= 0x2069 || c == 0x200e || c == 0x200f || c == 0x061c;
    }

    @Override
    public String toString() {
        return text.toString();
    }
}
