package io.sails4j.data;

/** Halves of characters: JSON can spell them, no file of text can hold them, and a tokenizer makes question marks of them. */
final class Surrogates {
    private Surrogates() {
    }

    /** Where the first half without its other half stands; a negative number where there is none. */
    static int firstLone(String text) {
        for (int i = 0; i < text.length(); i++) {
            if (Character.isSurrogate(text.charAt(i))) {
                if (i + 1 == text.length() || !Character.isSurrogatePair(text.charAt(i), text.charAt(i + 1))) {
                    return i;
                }
                i++;
            }
        }
        return -1;
    }
}
