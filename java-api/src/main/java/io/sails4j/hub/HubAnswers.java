package io.sails4j.hub;

import io.sails4j.InputException;
import io.sails4j.http.HttpAnswers;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.net.http.HttpResponse;

/**
 * What a server's refusal means and what to do. The hub explains itself in X-Error-Code and X-Error-Message
 * (huggingface/huggingface_hub src/huggingface_hub/utils/_http.py, hf_raise_for_status).
 */
final class HubAnswers {
    private HubAnswers() {
    }

    static RuntimeException refused(HttpResponse<?> answer, HubRequest request, HubSettings settings, String what) {
        String code = answer.headers().firstValue("x-error-code").orElse("");
        String message = answer.headers().firstValue("x-error-message").map(text -> ": '" + HttpAnswers.shown(text) + "'").orElse("");
        HubRepo repo = request.repo();
        String page = settings.endpoint() + "/" + repo;
        String token = settings.token() == null
            ? "no token was sent: set HF_TOKEN to one of yours (" + settings.endpoint() + "/settings/tokens)"
            : "the token of " + settings.tokenSource()
                + " was sent: is it valid, of the right account, and may it read gated repositories?";
        int status = answer.statusCode();
        if (code.equals("GatedRepo") || status == 403) {
            return new InputException("the hub does not give out " + what + " (" + status + message + "): if " + repo
                + " is gated, sign in, accept its licence at " + page + " and run this again; " + token);
        }
        if (status == 401) {
            return new InputException("the hub does not give out " + what + " (401" + message + "): " + repo
                + " is private or gated (accept its licence at " + page + "), or there is no such repository; " + token);
        }
        if (status == 404) {
            return new InputException(code.equals("RevisionNotFound") ? repo + " has no revision '" + request.revision() + "'; see " + page
                : "the hub has no " + what + " (404" + message + "); is the name right? See " + page);
        }
        return failed(answer.uri().getHost() + " answers " + status + message + " to the request for " + what + "; try again later");
    }

    /** What went wrong while working, as a sentence. */
    static UncheckedIOException failed(String sentence) {
        return new UncheckedIOException(sentence, new IOException("download"));
    }

    static UncheckedIOException failed(String sentence, IOException cause) {
        return new UncheckedIOException(sentence, cause);
    }
}
