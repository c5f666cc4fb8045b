package io.sails4j.watch;

import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.stream.IntStream;

/**
 * Line plots over optimizer steps as one SVG image, a panel above the other; no script, no font of its own, readable on light and dark
 * ground.
 */
public final class SvgPlot {
    private static final int WIDTH = 760;
    private static final int PANEL = 190;
    private static final int LEFT = 74;
    private static final int RIGHT = 16;
    private static final int TOP = 30;
    private static final int BOTTOM = 30;
    /** More points than this are thinned, keeping the lowest and highest of each stretch so that spikes stay. */
    private static final int MOST_POINTS = 1500;
    private static final String[] COLOURS = {"#2a6fdb", "#d9662c", "#2f9e61", "#a34fc4", "#b8860b", "#5b6770", "#c2185b", "#00838f"};
    /** So many names stand beside a title; more of them below it, in rows. */
    private static final int BESIDE = 2;
    private static final int IN_A_ROW = 5;
    private static final int NAME = 130;
    private static final int ROW = 18;

    private SvgPlot() {
    }

    /** A line of a panel; NaN breaks it. */
    public record Series(String name, double[] x, double[] y) {
        public Series {
            if (x.length != y.length) {
                throw new IllegalArgumentException(name + " has " + x.length + " steps and " + y.length + " values");
            }
        }
    }

    /** One plot. */
    public record Panel(String title, List<Series> series) {
        public Panel {
            series = List.copyOf(series);
        }

        private int rowsOfNames() {
            return series.size() <= BESIDE ? 0 : (series.size() + IN_A_ROW - 1) / IN_A_ROW;
        }
    }

    /** The image. */
    public static String of(String title, List<Panel> panels) {
        StringBuilder svg = new StringBuilder();
        int height = 34 + panels.stream().mapToInt(panel -> PANEL + ROW * panel.rowsOfNames()).sum();
        svg.append(String.format(Locale.ROOT,
            "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 %d %d\" width=\"%d\" height=\"%d\" role=\"img\" "
                + "font-family=\"system-ui, sans-serif\" font-size=\"12\">%n<title>%s</title>%n",
            WIDTH, height, WIDTH, height, escaped(title)));
        svg.append("<style>text{fill:#222}.grid{stroke:#8884;stroke-width:1}.line{fill:none;stroke-width:1.5;stroke-linejoin:round}"
            + "@media(prefers-color-scheme:dark){text{fill:#ddd}}</style>\n");
        svg.append(
            String.format(Locale.ROOT, "<text x=\"%d\" y=\"22\" font-size=\"15\" font-weight=\"600\">%s</text>%n", LEFT, escaped(title)));
        int top = 34;
        for (Panel panel : panels) {
            panel(svg, panel, top);
            top += PANEL + ROW * panel.rowsOfNames();
        }
        return svg.append("</svg>\n").toString();
    }

    private record Range(double low, double high) {
        static Range of(List<double[]> values) {
            double low = Double.POSITIVE_INFINITY;
            double high = Double.NEGATIVE_INFINITY;
            for (double[] part : values) {
                for (double v : part) {
                    if (Double.isFinite(v)) {
                        low = Math.min(low, v);
                        high = Math.max(high, v);
                    }
                }
            }
            if (low > high) {
                return new Range(0, 1);
            }
            double room = high > low ? 0 : Math.max(Math.abs(high) * 0.1, 1e-3);
            return new Range(low - room, high + room);
        }

        double share(double v) {
            return (v - low) / (high - low);
        }

        /** Round numbers (1, 2, 5 times a power of ten) inside. */
        double[] ticks() {
            double raw = (high - low) / 4;
            double power = Math.pow(10, Math.floor(Math.log10(raw)));
            double step = power * (raw / power < 1.5 ? 1 : raw / power < 3.5 ? 2 : raw / power < 7.5 ? 5 : 10);
            List<Double> ticks = new ArrayList<>();
            for (double t = Math.ceil(low / step) * step; t <= high + step * 1e-9; t += step) {
                ticks.add(Math.abs(t) < step * 1e-9 ? 0 : t);
            }
            return ticks.stream().mapToDouble(Double::doubleValue).toArray();
        }
    }

    private static void panel(StringBuilder svg, Panel panel, int top) {
        Range xs = Range.of(panel.series.stream().map(Series::x).toList());
        Range ys = Range.of(panel.series.stream().map(Series::y).toList());
        int plotTop = top + TOP + ROW * panel.rowsOfNames();
        int plotHeight = PANEL - TOP - BOTTOM;
        int plotWidth = WIDTH - LEFT - RIGHT;
        svg.append(
            String.format(Locale.ROOT, "<text x=\"%d\" y=\"%d\" font-weight=\"600\">%s</text>%n", LEFT, top + 18, escaped(panel.title)));
        for (double tick : ys.ticks()) {
            double y = plotTop + plotHeight * (1 - ys.share(tick));
            svg.append(
                String.format(Locale.ROOT, "<line class=\"grid\" x1=\"%d\" x2=\"%d\" y1=\"%.1f\" y2=\"%.1f\"/><text x=\"%d\" y=\"%.1f\" "
                    + "text-anchor=\"end\">%s</text>%n", LEFT, LEFT + plotWidth, y, y, LEFT - 8, y + 4, number(tick)));
        }
        for (double tick : xs.ticks()) {
            svg.append(String.format(Locale.ROOT, "<text x=\"%.1f\" y=\"%d\" text-anchor=\"middle\">%s</text>%n",
                LEFT + plotWidth * xs.share(tick),
                plotTop + plotHeight + 18, number(tick)));
        }
        for (int i = 0; i < panel.series.size(); i++) {
            Series series = panel.series.get(i);
            String colour = COLOURS[i % COLOURS.length];
            svg.append(String.format(Locale.ROOT, "<path class=\"line\" stroke=\"%s\" d=\"%s\"/>%n", colour,
                path(series, xs, ys, LEFT, plotTop, plotWidth, plotHeight)));
            if (panel.series.size() > 1) {
                boolean beside = panel.rowsOfNames() == 0;
                int x = beside ? LEFT + plotWidth - NAME * (panel.series.size() - i) : LEFT + NAME * (i % IN_A_ROW);
                int y = beside ? top : top + ROW * (1 + i / IN_A_ROW);
                svg.append(String.format(Locale.ROOT,
                    "<line x1=\"%d\" x2=\"%d\" y1=\"%d\" y2=\"%d\" stroke=\"%s\" stroke-width=\"2\"/><text x=\"%d\" "
                        + "y=\"%d\">%s</text>%n",
                    x, x + 16, y + 14, y + 14, colour, x + 22, y + 18, escaped(series.name)));
            }
        }
    }

    private static String path(Series series, Range xs, Range ys, int left, int top, int width, int height) {
        StringBuilder path = new StringBuilder();
        boolean down = false;
        for (int i : thinned(series.y)) {
            if (!Double.isFinite(series.y[i])) {
                down = false;
                continue;
            }
            path.append(String.format(Locale.ROOT, "%s%.1f %.1f", down ? "L" : "M", left + width * xs.share(series.x[i]),
                top + height * (1 - ys.share(series.y[i]))));
            down = true;
        }
        // A single point would draw nothing.
        return series.y.length == 1 && down ? path + "h2" : path.toString();
    }

    private static int[] thinned(double[] y) {
        if (y.length <= MOST_POINTS) {
            return IntStream.range(0, y.length).toArray();
        }
        List<Integer> kept = new ArrayList<>();
        int stretches = MOST_POINTS / 2;
        for (int s = 0; s < stretches; s++) {
            int from = (int) ((long) y.length * s / stretches);
            int to = (int) ((long) y.length * (s + 1) / stretches);
            int low = -1;
            int high = -1;
            int gap = -1;
            for (int i = from; i < to; i++) {
                if (!Double.isFinite(y[i])) {
                    gap = i;
                    continue;
                }
                low = low < 0 || y[i] < y[low] ? i : low;
                high = high < 0 || y[i] > y[high] ? i : high;
            }
            // A gap is kept beside them, so that the line breaks there too.
            IntStream.of(low, high, gap).filter(i -> i >= 0).distinct().sorted().forEach(kept::add);
        }
        return kept.stream().mapToInt(Integer::intValue).toArray();
    }

    private static String number(double v) {
        double size = Math.abs(v);
        if (v != 0 && (size < 1e-3 || size >= 1e6)) {
            return String.format(Locale.ROOT, "%.1e", v).replace(".0e", "e").replace("e-0", "e-").replace("e+0", "e");
        }
        String text = String.format(Locale.ROOT, "%.4f", v).replaceAll("0+$", "");
        return text.endsWith(".") ? text.substring(0, text.length() - 1) : text;
    }

    private static String escaped(String text) {
        return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;").replace("\"", "&quot;");
    }
}
