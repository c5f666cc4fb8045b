package io.sails4j.report.page;

import java.util.List;

/**
 * The frame of a chart: its box, the axes' ticks, its words.
 *
 * @param id of the element, different on a page
 * @param description what it shows, for people who do not see it
 * @param xs ticks along the horizontal axis, in pixels
 */
public record Plot(String id, String title, String description, String xLabel, String yLabel, List<Tick> xs, List<Tick> ys) {
    /** Of the drawing, in pixels. */
    public static final int WIDTH = 420;
    /** Of the drawing, in pixels. */
    public static final int HEIGHT = 280;
    static final int LEFT = 58;
    static final int RIGHT = 394;
    static final int TOP = 12;
    static final int BOTTOM = 236;

    /** A place on an axis and its number. */
    public record Tick(double at, String text) {
    }

    public Plot {
        xs = List.copyOf(xs);
        ys = List.copyOf(ys);
    }

    static double x(Scale scale, double value) {
        return rounded(LEFT + scale.share(value) * (RIGHT - LEFT));
    }

    static double y(Scale scale, double value) {
        return rounded(BOTTOM - scale.share(value) * (BOTTOM - TOP));
    }

    private static double rounded(double pixel) {
        return Math.round(10 * Math.clamp(pixel, -1e4, 1e4)) / 10.0;
    }

    static List<Tick> xTicks(Scale scale, boolean rate) {
        return scale.ticks().stream().map(tick -> new Tick(x(scale, tick), text(tick, rate))).toList();
    }

    static List<Tick> yTicks(Scale scale, boolean rate) {
        return scale.ticks().stream().map(tick -> new Tick(y(scale, tick), text(tick, rate))).toList();
    }

    private static String text(double tick, boolean rate) {
        return rate ? Math.round(100 * tick) + " %" : Numbers.plain(tick);
    }

    /** The frame's left edge. */
    public int left() {
        return LEFT;
    }

    /** The frame's right edge. */
    public int right() {
        return RIGHT;
    }

    /** The frame's upper edge. */
    public int top() {
        return TOP;
    }

    /** The frame's lower edge. */
    public int bottom() {
        return BOTTOM;
    }
}
