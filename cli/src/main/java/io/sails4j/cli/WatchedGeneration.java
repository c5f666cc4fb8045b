package io.sails4j.cli;

import io.sails4j.InputException;
import io.sails4j.model.AdapterStack;
import io.sails4j.model.BatchDecoder;
import io.sails4j.model.BatchOptions;
import io.sails4j.model.DecodeRequest;
import io.sails4j.model.GenerationOptions;
import io.sails4j.model.Generator;
import io.sails4j.model.ModelSession;
import io.sails4j.model.StreamEdit;
import io.sails4j.monitor.Monitor;
import io.sails4j.monitor.MonitorEvent;
import io.sails4j.monitor.MonitoredSequence;
import java.util.List;
import org.jspecify.annotations.Nullable;

/** One sequence, generated under a monitor where there is one. */
final class WatchedGeneration {
    private static final int CHUNK = 128;

    private final ModelSession session;
    private final AdapterStack adapters;
    private final @Nullable StreamEdit edit;
    private final @Nullable Monitor monitor;

    /** @param adapters that generate; where the monitor switches, those that it switches to, and the model alone begins */
    WatchedGeneration(ModelSession session, AdapterStack adapters, @Nullable StreamEdit edit, @Nullable Monitor monitor) {
        if (monitor != null && !monitor.switches().isEmpty() && adapters.equals(AdapterStack.none())) {
            throw new InputException("the monitor switches to an adapter, and there is none; add --adapter DIR, or another --on-alarm");
        }
        this.session = session;
        this.adapters = adapters;
        this.edit = edit;
        this.monitor = monitor;
    }

    /**
     * Tokens, and what was seen.
     *
     * @param events null where nobody watched
     */
    record Written(int[] tokens, @Nullable List<MonitorEvent> events, boolean stopped) {
    }

    Written generate(int[] prompt, GenerationOptions options, Runnable token) {
        return monitor == null
            ? new Written(
                new Generator(session, adapters, edit).generate(prompt, options, Generator.StepListener.ofTokens(_ -> token.run())),
                null, false)
            : watched(monitor, prompt, options, token);
    }

    private Written watched(Monitor by, int[] prompt, GenerationOptions options, Runnable token) {
        boolean switches = !by.switches().isEmpty();
        BatchOptions batch = new BatchOptions(1, 1, prompt.length + options.maxNewTokens());
        MonitoredSequence watched = by.begin(prompt.length, null);
        try (BatchDecoder decoder = new BatchDecoder(session, batch, CHUNK, edit, by, options.graphs())) {
            BatchDecoder.Sequence sequence = decoder
                .add(new DecodeRequest(prompt, switches ? AdapterStack.none() : adapters, options, 0, watched, -1));
            while (!sequence.ended()) {
                if (watched.switchTo() != null) {
                    decoder.continueBy(sequence, adapters);
                }
                int before = sequence.count();
                if (sequence.awaitsPrompt()) {
                    decoder.read(sequence);
                } else {
                    decoder.step();
                }
                for (int i = before; i < sequence.count(); i++) {
                    token.run();
                }
            }
            return new Written(sequence.tokens(), watched.events(), watched.stopped() != null);
        }
    }
}
