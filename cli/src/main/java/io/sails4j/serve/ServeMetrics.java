package io.sails4j.serve;

import io.micrometer.core.instrument.Counter;
import io.micrometer.core.instrument.FunctionCounter;
import io.micrometer.core.instrument.Gauge;
import io.micrometer.core.instrument.Timer;
import io.micrometer.prometheusmetrics.PrometheusConfig;
import io.micrometer.prometheusmetrics.PrometheusMeterRegistry;
import io.sails4j.model.CacheUse;
import io.sails4j.monitor.MonitorEvent;
import io.sails4j.serving.Completion;
import io.sails4j.serving.Finish;
import io.sails4j.serving.Scheduler;
import java.time.Duration;
import java.util.Locale;
import java.util.function.ToDoubleFunction;
import java.util.function.ToIntFunction;
import org.jspecify.annotations.Nullable;

/** What a server counts, in the text form of Prometheus. */
final class ServeMetrics {
    private final PrometheusMeterRegistry registry = new PrometheusMeterRegistry(PrometheusConfig.DEFAULT);
    private final Timer firstToken = timer("sails.first.token", "from the request to its first token");
    private final Timer answer = timer("sails.answer", "from the request to the end of its answer");

    ServeMetrics(Scheduler scheduler) {
        Gauge.builder("sails.requests.waiting", scheduler, s -> s.state().waiting()).description("requests that wait").register(registry);
        Gauge.builder("sails.requests.running", scheduler, s -> s.state().running()).description("requests that are answered")
            .register(registry);
        count("sails.requests.refused", "requests that were not taken, since too many waited", scheduler, s -> s.state().refused());
        count("sails.tokens.prompt", "tokens of prompts", scheduler, s -> s.state().promptTokens());
        count("sails.tokens.shared", "tokens of prompts that were not read again", scheduler, s -> s.state().sharedTokens());
        count("sails.tokens.generated", "tokens that were generated", scheduler, s -> s.state().generatedTokens());
        cache("sails.cache.used", "bytes of keys and values of requests that are answered", scheduler, CacheUse::used);
        cache("sails.cache.held", "the same with those of earlier prompts that are kept for others that begin alike", scheduler,
            CacheUse::held);
        cache("sails.cache.limit", "bytes that keys and values may take", scheduler, CacheUse::most);
        for (Finish finish : Finish.values()) {
            FunctionCounter.builder("sails.completions", scheduler, s -> s.state().ended().getOrDefault(finish, 0L))
                .description("answers by how they ended").tag("finish", finish.name().toLowerCase(Locale.ROOT)).register(registry);
        }
    }

    private void count(String name, String description, Scheduler scheduler, ToDoubleFunction<Scheduler> value) {
        FunctionCounter.builder(name, scheduler, value).description(description).register(registry);
    }

    private void cache(String name, String description, Scheduler scheduler, ToIntFunction<CacheUse> pages) {
        Gauge.builder(name, scheduler, s -> {
            CacheUse use = s.state().cache();
            return (double) pages.applyAsInt(use) * use.pageBytes();
        }).description(description).baseUnit("bytes").register(registry);
    }

    /** A reply was sent. */
    void replied(String path, int status) {
        registry.counter("sails.http.requests", "path", path, "status", String.valueOf(status)).increment();
    }

    /** An answer has ended. */
    void ended(Completion completion) {
        record(firstToken, completion.timeToFirstToken());
        record(answer, completion.timeToEnd());
        completion.events().stream().filter(MonitorEvent::begins).forEach(event -> Counter.builder("sails.monitor.events")
            .description("alarms that began, by rule").tag("rule", event.rule().name()).tag("action", event.rule().action().name())
            .register(registry).increment());
    }

    private Timer timer(String name, String description) {
        return Timer.builder(name).description(description).publishPercentileHistogram().register(registry);
    }

    private static void record(Timer timer, @Nullable Duration time) {
        if (time != null) {
            timer.record(time);
        }
    }

    String text() {
        return registry.scrape();
    }
}
