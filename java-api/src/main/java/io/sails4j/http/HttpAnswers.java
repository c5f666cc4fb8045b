package io.sails4j.http;

import java.net.ConnectException;
import java.net.UnknownHostException;
import java.net.http.HttpHeaders;
import java.nio.channels.UnresolvedAddressException;
import java.time.Duration;
import java.time.Instant;
import java.time.ZonedDateTime;
import java.time.format.DateTimeFormatter;
import java.time.format.DateTimeParseException;
import java.util.Optional;
import java.util.OptionalLong;

/** What servers' answers mean, whoever asked. */
public final class HttpAnswers {
    private static final int SHOWN_LENGTH = 160;

    private HttpAnswers() {
    }

    /** Whether the same request may succeed later: RFC 9110 section 15, and the 5xx that proxies add. */
    public static boolean isTemporary(int status) {
        return status == 408 || status == 425 || status == 429 || status >= 500 && status != 501 && status != 505;
    }

    /** Retry-After in seconds or as a date (RFC 9110 section 10.2.3). */
    public static Optional<Duration> retryAfter(HttpHeaders headers, Instant now) {
        return headers.firstValue("retry-after").flatMap(text -> {
            OptionalLong seconds = seconds(text.strip());
            if (seconds.isPresent()) {
                return Optional.of(Duration.ofSeconds(seconds.getAsLong()));
            }
            try {
                Duration wait = Duration.between(now, ZonedDateTime.parse(text.strip(), DateTimeFormatter.RFC_1123_DATE_TIME));
                return Optional.of(wait.isNegative() ? Duration.ZERO : wait);
            } catch (DateTimeParseException e) {
                return Optional.empty();
            }
        });
    }

    private static OptionalLong seconds(String text) {
        return text.matches("[0-9]{1,9}") ? OptionalLong.of(Long.parseLong(text)) : OptionalLong.empty();
    }

    /** Foreign words in a sentence: one line, no control characters, not too long. */
    public static String shown(String text) {
        return shown(text, SHOWN_LENGTH);
    }

    /** As {@link #shown(String)}, of at most so many characters. */
    public static String shown(String text, int longest) {
        String line = text.replaceAll("[\\s\\p{Cntrl}]+", " ").strip();
        if (line.length() <= longest) {
            return line;
        }
        int end = longest - 3;
        // No half of a character.
        return line.substring(0, Character.isHighSurrogate(line.charAt(end - 1)) ? end - 1 : end) + "...";
    }

    /** What an exception says; those of a connection that is not made say nothing, and have causes that say little. */
    public static String reason(Throwable e) {
        for (Throwable said = e; said != null; said = said.getCause()) {
            if (said instanceof UnresolvedAddressException || said instanceof UnknownHostException) {
                return "the name has no address";
            }
            if (said.getMessage() != null) {
                return shown(said.getMessage());
            }
        }
        return e instanceof ConnectException ? "the connection is refused" : e.getClass().getSimpleName();
    }
}
