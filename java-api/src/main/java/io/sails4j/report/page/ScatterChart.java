package io.sails4j.report.page;

import java.util.List;

/** Points with an interval along each axis. */
public record ScatterChart(Plot plot, List<Point> points) {
    /**
     * A point, in pixels.
     *
     * @param colour number of its colour
     */
    public record Point(String name, int colour, double x, double y, double left, double right, double top, double bottom) {
        /** Where its name begins: right of it, or left where there is no room. */
        public boolean namedLeft() {
            return x > Plot.LEFT + 0.7 * (Plot.RIGHT - Plot.LEFT);
        }
    }

    public ScatterChart {
        points = List.copyOf(points);
    }
}
