package io.sails4j.cli;

import io.sails4j.InputException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Option;

/** What is to be explained. */
final class ExplainArguments {
    @Option(names = "--subspace", paramLabel = "FILE",
        description = "explain this subspace; a second one is compared with it. With an adapter or a prompt: the subspace to hold it"
            + " against")
    private List<Path> subspaces = new ArrayList<>();

    @Option(names = "--adapter", paramLabel = "DIR",
        description = "explain this PEFT adapter, a directory or ORG/NAME; with a prompt: show its model beside the base model")
    private @Nullable Path adapter;

    @Option(names = "--prompt", paramLabel = "TEXT", description = "explain what fires on this text")
    private @Nullable String prompt;

    @Option(names = "--chat", paramLabel = "TEXT", description = "explain what fires on this message in the chat template")
    private @Nullable String chat;

    /** Kinds of explanations. */
    enum Kind {
        SUBSPACE, ADAPTER, PROMPT
    }

    /** What the options together ask for; an error where they ask for nothing, or for what cannot be had together. */
    Kind kind(boolean data, boolean saes) {
        if (prompt != null && chat != null) {
            throw new InputException("--prompt and --chat are two prompts; give one of them");
        }
        boolean text = prompt != null || chat != null;
        if (!text && adapter == null && subspaces.isEmpty()) {
            throw new InputException("there is nothing to explain: name a --subspace, an --adapter, or a --prompt");
        }
        Kind kind = text ? Kind.PROMPT : adapter != null ? Kind.ADAPTER : Kind.SUBSPACE;
        int most = kind == Kind.SUBSPACE ? 2 : 1;
        if (subspaces.size() > most) {
            throw new InputException("--subspace is given " + subspaces.size() + " times, expected " + (most == 2
                ? "one or two: the second is compared with the first" : "one: an adapter and a prompt are held against one subspace"));
        }
        if (kind == Kind.PROMPT && data) {
            throw new InputException("--data and a prompt are two texts; leave one of them out");
        }
        if (kind == Kind.ADAPTER && data != saes) {
            throw new InputException(data ? "--data without --sae: the features that an adapter moves are those of an SAE; name one (--sae"
                + " LAYER=PATH), or leave the data out"
                : "--sae without --data: the features that an adapter moves are counted on data; name"
                    + " the data, or leave the SAEs out");
        }
        return kind;
    }

    /** The subspace; null where there is none. */
    @Nullable
    Path subspace() {
        return subspaces.isEmpty() ? null : subspaces.getFirst();
    }

    /** The second subspace; null where there is none. */
    @Nullable
    Path other() {
        return subspaces.size() < 2 ? null : subspaces.get(1);
    }

    @Nullable
    Path adapter() {
        return adapter;
    }

    @Nullable
    String prompt() {
        return prompt;
    }

    @Nullable
    String chat() {
        return chat;
    }
}
