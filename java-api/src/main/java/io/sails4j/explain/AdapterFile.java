package io.sails4j.explain;

import io.sails4j.lora.LoraAdapter;
import io.sails4j.model.AdapterStack;

/** An adapter and the directory that it was read from; whoever opened the adapter closes it. */
public record AdapterFile(Source source, LoraAdapter adapter) {
    AdapterStack stack() {
        return AdapterStack.of(adapter.modules());
    }
}
