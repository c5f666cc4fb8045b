package io.sails4j.monitor;

import io.sails4j.model.StreamProbe;
import io.sails4j.steer.Feature;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * One sequence under a monitor: the state of its rules, and what has happened. The thread that generates moves it; any thread may ask for
 * its events.
 */
public final class MonitoredSequence implements StreamProbe.Listener {
    private static final System.Logger LOG = System.getLogger("io.sails4j.monitor");
    /** Features that an event names. */
    private static final int NAMED = 5;

    private final Monitor monitor;
    private final int answerFrom;
    private final @Nullable TokenWatcher watcher;
    private final View view;
    private final List<RuleState> states = new ArrayList<>();
    private final List<MonitorEvent> events = new ArrayList<>();
    private final float[] @Nullable [] pushes;
    private @Nullable DeviceReadings standing;
    private int row;
    private int count;
    private boolean steered;
    private volatile @Nullable MonitorEvent stopped;
    private volatile @Nullable String switchTo;
    private volatile @Nullable Throwable failure;

    MonitoredSequence(Monitor monitor, int answerFrom, @Nullable TokenWatcher watcher) {
        this.monitor = monitor;
        this.answerFrom = answerFrom;
        this.watcher = watcher;
        this.view = new View(monitor);
        this.pushes = new float[monitor.watches()] @Nullable [];
        for (int i = 0; i < pushes.length; i++) {
            int[] features = monitor.steered(i);
            pushes[i] = features == null ? null : new float[features.length];
        }
        monitor.watchedRules().forEach(rule -> states.add(new RuleState(rule)));
    }

    /** A rule's latest values, and whether its alarm is on. */
    private static final class RuleState {
        private final Monitor.WatchedRule watched;
        private final WindowMean mean;
        private boolean on;

        RuleState(Monitor.WatchedRule watched) {
            this.watched = watched;
            this.mean = new WindowMean(watched.rule().trigger().window());
        }
    }

    /** What has happened until now. */
    public List<MonitorEvent> events() {
        synchronized (events) {
            return List.copyOf(events);
        }
    }

    /** What ended the sequence, null for nothing. */
    public @Nullable MonitorEvent stopped() {
        return stopped;
    }

    /** What the watcher threw, which ended the sequence; null for nothing. */
    public @Nullable Throwable failure() {
        return failure;
    }

    /** The adapters that a rule has switched to, by name; null for none. */
    public @Nullable String switchTo() {
        return switchTo;
    }

    @Override
    public boolean unchanged() {
        return !steered;
    }

    @Override
    public void stands(StreamProbe.Readings readings, int atRow, int rows) {
        standing = (DeviceReadings) readings;
        row = atRow;
        count = rows;
        push();
    }

    private void push() {
        for (int i = 0; standing != null && i < pushes.length; i++) {
            float[] by = pushes[i];
            if (by != null) {
                standing.steer(i, row, count, by);
            }
        }
    }

    @Override
    public boolean token(StreamProbe.Readings readings, int atRow, int position, int id) {
        MonitorReadings read = (MonitorReadings) readings;
        if (watcher != null) {
            try {
                view.show(read, atRow, position, id);
                watcher.token(view);
            } catch (RuntimeException | Error e) {
                // It ends its own sequence, and not those that are beside it.
                failure = e;
                return false;
            } finally {
                view.hide();
            }
        }
        if (monitor.isBos(position, id)) {
            return true;
        }
        boolean answer = position >= answerFrom;
        for (int i = 0; i < states.size(); i++) {
            RuleState state = states.get(i);
            if (state.watched.rule().part().has(answer)) {
                see(state, read, atRow, position);
            }
        }
        return stopped == null;
    }

    private void see(RuleState state, MonitorReadings read, int atRow, int position) {
        Monitor.WatchedRule watched = state.watched;
        Trigger trigger = watched.rule().trigger();
        double mean = state.mean.with(read.codes(watched.watch()).weighted(atRow, watched.indices(), watched.weights()));
        if (!state.on && trigger.begins(mean) || state.on && trigger.ends(mean)) {
            state.on = !state.on;
            boolean answer = position >= answerFrom;
            MonitorEvent event = new MonitorEvent(watched.rule(), state.on, answer, answer ? position - answerFrom : position, mean,
                because(watched, read, atRow));
            synchronized (events) {
                events.add(event);
            }
            LOG.log(System.Logger.Level.DEBUG, event::sentence);
            act(watched, event);
        }
    }

    private List<ActiveFeature> because(Monitor.WatchedRule watched, MonitorReadings read, int atRow) {
        List<ActiveFeature> active = new ArrayList<>();
        List<Signal.Term> terms = watched.rule().signal().terms();
        for (int i = 0; i < terms.size(); i++) {
            float activation = read.codes(watched.watch()).valueOf(atRow, watched.indices()[i]);
            if (activation != 0) {
                active.add(new ActiveFeature(new Feature(watched.rule().signal().layer(), terms.get(i).feature()), activation,
                    activation * terms.get(i).weight()));
            }
        }
        active.sort(Comparator.comparingDouble((ActiveFeature f) -> -Math.abs(f.share())).thenComparing(ActiveFeature::feature));
        return active.subList(0, Math.min(NAMED, active.size()));
    }

    private void act(Monitor.WatchedRule watched, MonitorEvent event) {
        switch (watched.rule().action()) {
            case Action.Stop _ -> stopped = event.begins() && stopped == null ? event : stopped;
            case Action.SwitchTo to -> switchTo = event.begins() ? to.model() : switchTo;
            case Action.Steer _ -> steer(watched, event.begins() ? 1 : -1);
            case Action.Note _,Action.Alarm _ -> {
                // The event is all.
            }
        }
    }

    /** Alarms of several rules add up. */
    private void steer(Monitor.WatchedRule watched, int times) {
        float[] by = pushes[watched.pushedAt()];
        float[] push = watched.push();
        for (int i = 0; by != null && push != null && i < by.length; i++) {
            by[i] += times * push[i];
        }
        steered = true;
        if (count == 1) {
            push();
        }
    }

    /** One of a monitor's tokens after the other, without new objects. */
    private static final class View implements TokenView {
        private final Monitor monitor;
        private final int[] layers;
        private @Nullable MonitorReadings readings;
        private int row;
        private int position;
        private int id;

        View(Monitor monitor) {
            this.monitor = monitor;
            int[] shown = monitor.shown();
            this.layers = new int[shown.length];
            for (int i = 0; i < shown.length; i++) {
                layers[i] = monitor.watch(shown[i]).layer();
            }
        }

        void show(MonitorReadings read, int atRow, int atPosition, int tokenId) {
            readings = read;
            row = atRow;
            position = atPosition;
            id = tokenId;
        }

        void hide() {
            readings = null;
        }

        private int watch(int layer) {
            for (int i = 0; i < layers.length; i++) {
                if (layers[i] == layer) {
                    return monitor.shown()[i];
                }
            }
            throw new IllegalArgumentException("layer " + layer + " is not watched");
        }

        private HostCodes codes(int layer) {
            if (readings == null) {
                throw new IllegalStateException("a token is looked at behind the call that showed it");
            }
            return readings.codes(watch(layer));
        }

        @Override
        public int position() {
            return position;
        }

        @Override
        public int id() {
            return id;
        }

        @Override
        public int[] layers() {
            return layers.clone();
        }

        @Override
        public int active(int layer) {
            return codes(layer).count(row);
        }

        @Override
        public int missing(int layer) {
            return codes(layer).missing(row);
        }

        @Override
        public int feature(int layer, int at) {
            return monitor.watch(watch(layer)).reader().id(codes(layer).index(row, at));
        }

        @Override
        public float activation(int layer, int at) {
            return codes(layer).value(row, at);
        }
    }
}
