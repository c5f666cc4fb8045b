package io.sails4j.langchain4j;

import dev.langchain4j.model.chat.response.ChatResponseMetadata;
import io.sails4j.monitor.MonitorReport;
import java.util.List;
import java.util.Objects;
import org.jspecify.annotations.Nullable;

/** What is known of an answer, and what the service's monitor made of it while it was written. */
public final class SailsChatResponseMetadata extends ChatResponseMetadata {
    private final MonitorReport monitor;

    private SailsChatResponseMetadata(Builder builder) {
        super(builder);
        monitor = builder.monitor;
    }

    /** Without events where the service has no monitor. */
    public MonitorReport monitor() {
        return monitor;
    }

    /** An empty one, to be filled. */
    public static Builder builder() {
        return new Builder();
    }

    @Override
    public Builder toBuilder() {
        Builder builder = builder().monitor(monitor);
        super.toBuilder(builder);
        return builder;
    }

    @Override
    public boolean equals(@Nullable Object other) {
        return super.equals(other) && other instanceof SailsChatResponseMetadata that && monitor.equals(that.monitor);
    }

    @Override
    public int hashCode() {
        return Objects.hash(super.hashCode(), monitor);
    }

    @Override
    public String toString() {
        return super.toString() + " and monitor=" + monitor;
    }

    /** The components, to be set. */
    public static final class Builder extends ChatResponseMetadata.Builder<Builder> {
        private MonitorReport monitor = new MonitorReport(List.of());

        private Builder() {
        }

        /** See {@link SailsChatResponseMetadata#monitor}. */
        public Builder monitor(MonitorReport report) {
            monitor = report;
            return this;
        }

        @Override
        public SailsChatResponseMetadata build() {
            return new SailsChatResponseMetadata(this);
        }
    }
}
