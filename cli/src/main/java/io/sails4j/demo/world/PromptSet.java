package io.sails4j.demo.world;

import java.util.List;

/**
 * Requests that are asked together.
 *
 * @param name of the set, and of its file
 */
record PromptSet(String name, List<WorldPrompt> prompts) {
    PromptSet {
        prompts = List.copyOf(prompts);
    }
}
