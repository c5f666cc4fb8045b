package io.sails4j.judge;

import io.sails4j.InputException;
import java.net.URI;
import java.util.List;
import java.util.regex.Pattern;

/**
 * A server that speaks OpenAI's chat completions.
 *
 * @param base the address to which {@code /chat/completions} is added, such as {@code https://api.openai.com/v1}
 * @param model the name by which the server knows the judging model
 */
public record EndpointServer(URI base, String model, EndpointToken token) {
    private static final String PATH = "/chat/completions";
    private static final Pattern LOOPBACK = Pattern.compile("localhost|127(\\.[0-9]{1,3}){3}|\\[(0:0:0:0:0:0:0:1|::1)\\]");

    public EndpointServer {
        if (!base.isAbsolute() || base.getHost() == null || !List.of("http", "https").contains(base.getScheme())
            || base.getRawQuery() != null || base.getRawFragment() != null) {
            throw wrong(base.getRawUserInfo() == null ? "'" + base + "'" : "no such address");
        }
        if (base.getRawUserInfo() != null) {
            throw wrong("an address with a user's name in it, which messages and files would show");
        }
        if (model.isBlank()) {
            throw new InputException("model is empty, expected the name by which " + base + " knows the judging model");
        }
        if (token.value() != null && base.getScheme().equals("http") && !LOOPBACK.matcher(base.getHost()).matches()) {
            throw new InputException(base + " is not encrypted and not on this machine: the token of " + token.source()
                + " could be read on its way there; use https, or send none (key-env= with nothing behind it)");
        }
    }

    private static InputException wrong(String found) {
        return new InputException(
            "endpoint is " + found
                + ", expected the address of a server's API such as https://api.openai.com/v1 or http://localhost:8000/v1");
    }

    /** The server at an address, which may end with the path of the requests. */
    public static EndpointServer of(String address, String model, EndpointToken token) {
        String base = address.strip().replaceFirst("/+$", "").replaceFirst(PATH + "$", "");
        URI uri;
        try {
            uri = URI.create(base);
        } catch (IllegalArgumentException e) {
            throw wrong("'" + base + "'");
        }
        return new EndpointServer(uri, model, token);
    }

    /** Where requests are sent. */
    URI requests() {
        return URI.create(base + PATH);
    }
}
