package io.sails4j.hub;

import io.sails4j.InputException;
import io.sails4j.http.HttpAnswers;
import io.sails4j.http.Patience;
import java.io.IOException;
import java.io.InputStream;
import java.io.InterruptedIOException;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.time.Instant;
import java.util.Locale;
import java.util.Objects;

/**
 * Requests to the hub. Redirects are followed here and not by the HTTP client, because the token must not go to another host; servers that
 * are busy are asked again after a while.
 */
final class HubClient implements AutoCloseable {
    private static final int MAX_REDIRECTS = 10;

    private final HubSettings settings;
    private final HubRequest request;
    private final Patience patience;
    private final HubListener listener;
    private final HttpClient http = HttpClient.newBuilder().followRedirects(HttpClient.Redirect.NEVER)
        .connectTimeout(Duration.ofSeconds(20)).build();

    HubClient(HubSettings settings, HubRequest request, Patience patience, HubListener listener) {
        this.settings = settings;
        this.request = request;
        this.patience = patience;
        this.listener = listener;
    }

    /** The address of something below the endpoint; parts between slashes are encoded. */
    URI address(String... segments) {
        StringBuilder text = new StringBuilder(settings.endpoint().toString());
        for (String segment : segments) {
            text.append('/').append(encoded(segment));
        }
        return URI.create(text.toString());
    }

    /** RFC 3986 section 2.3: what is unreserved stays. */
    private static String encoded(String segment) {
        StringBuilder text = new StringBuilder();
        for (byte b : segment.getBytes(StandardCharsets.UTF_8)) {
            char c = (char) (b & 0xff);
            boolean plain = c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || "-._~".indexOf(c) >= 0;
            text.append(plain ? String.valueOf(c) : String.format(Locale.ROOT, "%%%02X", (int) c));
        }
        return text.toString();
    }

    /** Headers alone: those of the hub itself, whose redirect to a store they come with. */
    HttpResponse<InputStream> head(URI address, String what) {
        return ask("HEAD", address, 0, what);
    }

    /** The body from a byte on. The answer is 200 (all of it), 206 (the rest) or 416 (there is no such byte). */
    HttpResponse<InputStream> get(URI address, long from, String what) {
        return ask("GET", address, from, what);
    }

    private HttpResponse<InputStream> ask(String method, URI address, long from, String what) {
        for (int failures = 0;; failures++) {
            try {
                HttpResponse<InputStream> answer = redirected(method, address, from);
                int status = answer.statusCode();
                boolean elsewhere = method.equals("HEAD") && status / 100 == 3;
                if (status / 100 == 2 || elsewhere || status == 416 && from > 0) {
                    return answer;
                }
                answer.body().close();
                if (!HttpAnswers.isTemporary(status) || failures + 1 >= patience.tries()) {
                    throw HubAnswers.refused(answer, request, settings, what);
                }
                Duration asked = HttpAnswers.retryAfter(answer.headers(), Instant.now()).orElse(Duration.ZERO);
                if (asked.compareTo(patience.longestWait()) > 0) {
                    throw HubAnswers
                        .failed(answer.uri().getHost() + " answers " + status + " to the request for " + what + " and asks to wait "
                            + asked.toSeconds() + " s; run this again then");
                }
                pause(failures, asked, answer.uri().getHost() + " answers " + status);
            } catch (IOException e) {
                if (failures + 1 >= patience.tries()) {
                    throw HubAnswers.failed("cannot reach " + address.getHost() + " for " + what + ": " + HttpAnswers.reason(e)
                        + "; is there a network, and a proxy to name (JAVA_TOOL_OPTIONS=-Dhttps.proxyHost=…)? HF_ENDPOINT names a mirror",
                        e);
                }
                pause(failures, Duration.ZERO, address.getHost() + ": " + HttpAnswers.reason(e));
            }
        }
    }

    /** Waits before the next try, at least as long as the server asked for. */
    void pause(int failures, Duration asked, String why) {
        Duration wait = patience.waitAfter(failures).compareTo(asked) > 0 ? patience.waitAfter(failures) : asked;
        if (wait.toMillis() >= 1000) {
            listener.note(why + "; asking again in " + wait.toSeconds() + " s");
        }
        try {
            Thread.sleep(wait);
        } catch (InterruptedException e) {
            throw interrupted();
        }
    }

    private HttpResponse<InputStream> redirected(String method, URI address, long from) throws IOException {
        URI at = address;
        for (int hop = 0; hop <= MAX_REDIRECTS; hop++) {
            HttpResponse<InputStream> answer = send(method, at, from);
            String location = answer.headers().firstValue("location").orElse(null);
            if (answer.statusCode() / 100 != 3 || location == null) {
                return answer;
            }
            URI next = next(at, location);
            if (method.equals("HEAD") && !isOfEndpoint(next)) {
                return answer;
            }
            answer.body().close();
            at = next;
        }
        throw HubAnswers.failed(address.getHost() + " redirects more than " + MAX_REDIRECTS + " times; nothing was downloaded");
    }

    private static URI next(URI from, String location) {
        URI next;
        try {
            next = from.resolve(location);
        } catch (IllegalArgumentException e) {
            throw new InputException(from.getHost() + " redirects to '" + HttpAnswers.shown(location) + "', which is no address", e);
        }
        boolean safe = "https".equals(next.getScheme()) || "http".equals(next.getScheme()) && "http".equals(from.getScheme());
        if (!safe || next.getHost() == null) {
            throw new InputException(from.getHost() + " redirects to '" + HttpAnswers.shown(location)
                + "', expected an https address: what is fetched must not be read or changed on its way");
        }
        return next;
    }

    private HttpResponse<InputStream> send(String method, URI at, long from) throws IOException {
        HttpRequest.Builder builder = HttpRequest.newBuilder(at).method(method, HttpRequest.BodyPublishers.noBody())
            .timeout(patience.stall()).header("User-Agent", "sails4j").header("Accept-Encoding", "identity");
        if (settings.token() != null && isOfEndpoint(at)) {
            builder.header("Authorization", "Bearer " + settings.token());
        }
        if (from > 0) {
            builder.header("Range", "bytes=" + from + "-");
        }
        try {
            return http.send(builder.build(), HttpResponse.BodyHandlers.ofInputStream());
        } catch (InterruptedException e) {
            throw interrupted();
        }
    }

    private static RuntimeException interrupted() {
        Thread.currentThread().interrupt();
        return HubAnswers.failed("the download was interrupted; running it again goes on", new InterruptedIOException());
    }

    /** Scheme, host and port: what may see the token. */
    private boolean isOfEndpoint(URI at) {
        URI own = settings.endpoint();
        return Objects.equals(own.getScheme(), at.getScheme()) && own.getHost().equalsIgnoreCase(at.getHost()) && port(own) == port(at);
    }

    private static int port(URI at) {
        return at.getPort() >= 0 ? at.getPort() : "https".equals(at.getScheme()) ? 443 : 80;
    }

    @Override
    public void close() {
        http.shutdownNow();
        http.close();
    }
}
