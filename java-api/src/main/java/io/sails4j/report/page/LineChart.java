package io.sails4j.report.page;

import java.util.ArrayList;
import java.util.List;
import java.util.stream.Collectors;
import java.util.stream.IntStream;

/** Lines over a common axis. */
public record LineChart(Plot plot, List<Line> lines) {
    /** More points than this are thinned. */
    private static final int MOST = 400;

    /**
     * A line, or points alone.
     *
     * @param colour number of its colour
     * @param points {@code x,y} in pixels
     * @param marks places of marks on it
     */
    public record Line(String name, int colour, String points, List<Mark> marks) {
    }

    /** A place in pixels. */
    public record Mark(double x, double y) {
    }

    public LineChart {
        lines = List.copyOf(lines);
    }

    /** What a line shows. */
    record Series(String name, List<Double> xs, List<Double> ys, boolean marked) {
    }

    static LineChart of(String id, String title, String description, String xLabel, String yLabel, List<Series> series) {
        Scale x = Scale.around(series.stream().flatMap(s -> s.xs.stream()).toList());
        Scale y = Scale.around(series.stream().flatMap(s -> s.ys.stream()).toList());
        List<Line> lines = new ArrayList<>();
        for (int i = 0; i < series.size(); i++) {
            lines.add(line(series.get(i), i + 1, x, y));
        }
        return new LineChart(new Plot(id, title, description, xLabel, yLabel, Plot.xTicks(x, false), Plot.yTicks(y, false)), lines);
    }

    private static Line line(Series series, int colour, Scale x, Scale y) {
        int n = series.xs.size();
        int stride = (n + MOST - 1) / MOST;
        List<Mark> places = IntStream.range(0, n)
            .filter(i -> (i % Math.max(1, stride) == 0 || i == n - 1) && Numbers.known(series.ys.get(i)))
            .mapToObj(i -> new Mark(Plot.x(x, series.xs.get(i)), Plot.y(y, series.ys.get(i)))).toList();
        String points = places.stream().map(mark -> mark.x + "," + mark.y).collect(Collectors.joining(" "));
        return new Line(series.name, colour, points, series.marked ? places : List.of());
    }
}
