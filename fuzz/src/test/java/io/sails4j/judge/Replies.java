package io.sails4j.judge;

import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpHeaders;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.time.Instant;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import javax.net.ssl.SSLSession;

/** What a judge's server, or somebody with its cache, can send. */
public final class Replies {
    private static final EndpointServer SERVER = EndpointServer.of("http://localhost:8000/v1", "m", EndpointToken.none());
    private static final Exchange JUDGED = new Exchange("How?", "#thescore: 1 {\"score\": 1}");

    private Replies() {
    }

    /** Reads a file of cached replies, as a run that goes on does. */
    public static void cached(Path file) {
        new ReplyCache(file.getParent(), _ -> {}).close();
    }

    /** Reads the score in a reply. */
    public static void score(String reply) {
        ScoreReader.read(new ChatReply(reply, null, "stop"), JUDGED, 10);
    }

    /** Reads what a server answers: the status, 200 and the first byte, and a body. */
    public static void answered(byte[] input) {
        int status = 200 + (input.length == 0 ? 0 : input[0] & 0xff);
        byte[] body = Arrays.copyOfRange(input, Math.min(1, input.length), input.length);
        new ServerAnswer(SERVER).read(new Received(status, body), Dialect.full(), Instant.EPOCH);
    }

    /** An answer as it came over the network. */
    private record Received(int statusCode, byte[] body) implements HttpResponse<byte[]> {
        @Override
        public HttpRequest request() {
            return HttpRequest.newBuilder(uri()).build();
        }

        @Override
        public Optional<HttpResponse<byte[]>> previousResponse() {
            return Optional.empty();
        }

        @Override
        public HttpHeaders headers() {
            String asked = new String(body, 0, Math.min(body.length, 30), StandardCharsets.ISO_8859_1);
            return HttpHeaders.of(Map.of("retry-after", List.of(asked), "location", List.of(asked)), (_, _) -> true);
        }

        @Override
        public Optional<SSLSession> sslSession() {
            return Optional.empty();
        }

        @Override
        public URI uri() {
            return SERVER.base();
        }

        @Override
        public HttpClient.Version version() {
            return HttpClient.Version.HTTP_1_1;
        }
    }
}
