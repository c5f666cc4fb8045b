package io.sails4j.watch;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.ByteArrayInputStream;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.stream.Stream;
import javax.xml.parsers.DocumentBuilderFactory;
import jdk.jfr.Recording;
import jdk.jfr.consumer.RecordedEvent;
import jdk.jfr.consumer.RecordingFile;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class WatchTest {
    @TempDir
    private Path temporary;

    /** One value of a decoded event. */
    private record Scalar(String tag, long step, double wall, float value) {
    }

    /** A reader of its own, from the format's description. */
    private static List<Scalar> read(Path file, List<String> versions) throws IOException {
        ByteBuffer in = ByteBuffer.wrap(Files.readAllBytes(file)).order(ByteOrder.LITTLE_ENDIAN);
        List<Scalar> scalars = new ArrayList<>();
        while (in.hasRemaining()) {
            byte[] length = new byte[8];
            in.get(length);
            assertThat(in.getInt()).isEqualTo(TensorBoardWriter.masked(length));
            byte[] event = new byte[(int) ByteBuffer.wrap(length).order(ByteOrder.LITTLE_ENDIAN).getLong()];
            in.get(event);
            assertThat(in.getInt()).isEqualTo(TensorBoardWriter.masked(event));
            ByteBuffer e = ByteBuffer.wrap(event).order(ByteOrder.LITTLE_ENDIAN);
            double wall = 0;
            long step = 0;
            while (e.hasRemaining()) {
                int key = e.get();
                switch (key) {
                    case 0x09 -> wall = e.getDouble();
                    case 0x10 -> step = varint(e);
                    case 0x1a -> versions.add(text(e));
                    case 0x2a -> {
                        varint(e);
                        assertThat(e.get()).isEqualTo((byte) 0x0a);
                        varint(e);
                        assertThat(e.get()).isEqualTo((byte) 0x0a);
                        String tag = text(e);
                        assertThat(e.get()).isEqualTo((byte) 0x15);
                        scalars.add(new Scalar(tag, step, wall, e.getFloat()));
                    }
                    default -> throw new AssertionError("field " + key);
                }
            }
        }
        return scalars;
    }

    private static long varint(ByteBuffer in) {
        long value = 0;
        for (int shift = 0;; shift += 7) {
            byte b = in.get();
            value |= (long) (b & 0x7f) << shift;
            if (b >= 0) {
                return value;
            }
        }
    }

    private static String text(ByteBuffer in) {
        byte[] bytes = new byte[(int) varint(in)];
        in.get(bytes);
        return new String(bytes, StandardCharsets.UTF_8);
    }

    @Test
    void eventFilesHoldWhatWasWritten() throws IOException {
        try (TensorBoardWriter writer = new TensorBoardWriter(temporary.resolve("board"), 1_700_000_000L, "a host/b")) {
            writer.scalar("train/loss", 1, 1_700_000_001.5, 0.75);
            writer.scalar("train/loss", 300, 1_700_000_002, Double.NaN);
        }
        Path file;
        try (Stream<Path> files = Files.list(temporary.resolve("board"))) {
            file = files.findFirst().orElseThrow();
        }
        assertThat(file.getFileName()).hasToString("events.out.tfevents.1700000000.a_host_b");
        List<String> versions = new ArrayList<>();
        List<Scalar> scalars = read(file, versions);
        assertThat(versions).containsExactly("brain.Event:2");
        assertThat(scalars).containsExactly(new Scalar("train/loss", 1, 1_700_000_001.5, 0.75f),
            new Scalar("train/loss", 300, 1_700_000_002, Float.NaN));
        // CRC-32C of "123456789" is 0xe3069283 (RFC 3720, appendix B.4 uses the same polynomial).
        int crc = 0xe3069283;
        assertThat(TensorBoardWriter.masked("123456789".getBytes(StandardCharsets.US_ASCII)))
            .isEqualTo((crc >>> 15 | crc << 17) + 0xa282ead8);
    }

    @Test
    void plotsAreWellFormedAndKeepSpikes() throws Exception {
        double[] x = new double[20_000];
        double[] y = new double[x.length];
        for (int i = 0; i < x.length; i++) {
            x[i] = i;
            y[i] = Math.sin(i * 0.001);
        }
        y[12_345] = 40;
        y[500] = Double.NaN;
        // The first of the stretch that the spike is in: 20 000 points in 750 stretches.
        y[12_320] = Double.NaN;
        String svg = SvgPlot.of("a < b & \"c\"", List.of(new SvgPlot.Panel("loss", List.of(new SvgPlot.Series("one", x, y),
            new SvgPlot.Series("two", new double[] {1}, new double[] {0.5}))),
            new SvgPlot.Panel("nothing", List.of(new SvgPlot.Series("none", new double[0],
                new double[0])))));
        var document = DocumentBuilderFactory.newInstance().newDocumentBuilder()
            .parse(new ByteArrayInputStream(svg.getBytes(StandardCharsets.UTF_8)));
        assertThat(document.getElementsByTagName("path").getLength()).isEqualTo(3);
        assertThat(document.getElementsByTagName("title").item(0).getTextContent()).isEqualTo("a < b & \"c\"");
        String line = document.getElementsByTagName("path").item(0).getAttributes().getNamedItem("d").getTextContent();
        assertThat(line.chars().filter(c -> c == 'M').count()).as("the line breaks at both gaps").isEqualTo(3);
        assertThat(line.split("[ML]")).hasSizeLessThan(1600);
        assertThat(line).as("the spike reaches the top of its panel").contains(" 64.0");
    }

    @Test
    void theFlightRecorderSeesStepsAndPhases() throws IOException {
        Path file = temporary.resolve("run.jfr");
        try (Recording recording = new Recording()) {
            recording.enable("io.sails4j.TrainingStep");
            recording.enable("io.sails4j.TrainingPhase");
            recording.start();
            try (PhaseEvent _ = PhaseEvent.begin("optimizer", 7)) {
                StepEvent step = new StepEvent();
                step.step = 7;
                step.loss = 0.5;
                step.commit();
            }
            recording.stop();
            recording.dump(file);
        }
        List<RecordedEvent> events = RecordingFile.readAllEvents(file);
        assertThat(events).anySatisfy(e -> {
            assertThat(e.getEventType().getName()).isEqualTo("io.sails4j.TrainingStep");
            assertThat(e.getDouble("loss")).isEqualTo(0.5);
        }).anySatisfy(e -> {
            assertThat(e.getEventType().getName()).isEqualTo("io.sails4j.TrainingPhase");
            assertThat(e.getString("phase")).isEqualTo("optimizer");
        });
    }
}
