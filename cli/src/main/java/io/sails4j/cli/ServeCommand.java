package io.sails4j.cli;

import io.sails4j.InputException;
import io.sails4j.data.ChatTemplate;
import io.sails4j.hub.HubCache;
import io.sails4j.lora.LoraAdapter;
import io.sails4j.model.AdapterStack;
import io.sails4j.model.CausalModel;
import io.sails4j.monitor.Monitor;
import io.sails4j.monitor.MonitorSpec;
import io.sails4j.ops.Engine;
import io.sails4j.serve.ServeOptions;
import io.sails4j.serve.TextServer;
import io.sails4j.serving.SchedulerOptions;
import io.sails4j.serving.TextService;
import java.io.IOException;
import java.net.InetAddress;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.SequencedMap;
import java.util.SortedMap;
import java.util.concurrent.Callable;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.Spec;

@Command(name = "serve",
    description = "Serve a model, alone and with adapters, over HTTP in the form of OpenAI's interface; SIGTERM or Ctrl-C ends it when"
        + " the answers under way are given.")
final class ServeCommand implements Callable<Integer> {
    private static final String KEY_VARIABLE = "SAILS_API_KEY";
    private static final long LOOK_MS = 100;

    @Spec
    private CommandSpec spec;

    @Mixin
    private CommonOptions common;

    @Mixin
    private WeightArguments weights;

    @Option(names = "--model", required = true, paramLabel = "DIR|ORG/NAME",
        description = "directory of a Gemma-2 or Llama-3 model, or ORG/NAME in the hub's cache")
    private Path model;

    @Option(names = "--name", paramLabel = "NAME", description = "what clients call the model as it is (default: its directory's name)")
    private @Nullable String name;

    @Option(names = "--adapter", paramLabel = "NAME=DIR",
        description = "the model with a PEFT LoRA adapter, as a model of its own; may be given often")
    private Map<String, Path> adapters = new LinkedHashMap<>();

    @Option(names = "--template", defaultValue = ChatTemplate.CHECKPOINT, paramLabel = "FILE|gemma2|llama3|checkpoint",
        description = "chat template: a Jinja file, one of a family, or the checkpoint's (default; its family's where it has none)")
    private String template;

    @Option(names = "--api-key-file", paramLabel = "FILE",
        description = "clients must send the key that this file holds (default: that of the environment's " + KEY_VARIABLE
            + ", else none)")
    private @Nullable Path keyFile;

    @Mixin
    private MonitorArguments monitoring;

    @Option(names = "--sae", paramLabel = "LAYER=PATH",
        description = "SAE of the residual stream after LAYER, for --monitor; repeat for more layers")
    private List<String> saes = new ArrayList<>();

    @Override
    public Integer call() throws InterruptedException {
        ServeOptions options = OptionFlags.values(spec, ServeOptions.defaults());
        SchedulerOptions scheduling = OptionFlags.values(spec, SchedulerOptions.defaults());
        String key = key(System.getenv(KEY_VARIABLE));
        MonitorSpec spec = monitoring.spec(common);
        if ((spec == null) != saes.isEmpty()) {
            throw common.wrong(spec == null ? "--sae is given and nothing reads it; add --monitor FILE"
                : "--monitor needs the SAEs that it was made with; add --sae LAYER=PATH");
        }
        SortedMap<Integer, Path> paths = SaeArguments.parse(saes, common);
        Path directory = HubCache.ofSystem().locate(model);
        // Clients that send half a request, or do not read a reply, must not be waited for without end; read when the first server is made.
        System.setProperty("sun.net.httpserver.maxReqTime", "60");
        System.setProperty("sun.net.httpserver.maxRspTime", String.valueOf(options.timeLimitS() + 60));
        try (Engine engine = common.openEngine(); SaeArguments.Opened read = SaeArguments.open(paths, engine);
             CausalModel opened = CausalModel.load(directory, engine, weights.model(common)); Adapters loaded = new Adapters();
             Monitor monitor = MonitorArguments.open(spec, opened, read.saes())) {
            SequencedMap<String, AdapterStack> names = new LinkedHashMap<>();
            names.put(name == null ? String.valueOf(directory.toAbsolutePath().normalize().getFileName()) : name, AdapterStack.none());
            for (Map.Entry<String, Path> adapter : adapters.entrySet()) {
                if (names.put(adapter.getKey(), loaded.load(HubCache.ofSystem().locate(adapter.getValue()), opened, common)) != null) {
                    throw common.wrong("--adapter names '" + adapter.getKey() + "', which is the model's name; choose another, or --name");
                }
            }
            try (TextService service = TextService.open(opened, directory, names, template, scheduling, monitor);
                 StopSignal stop = new StopSignal(common::message, "ending: answers under way are given first");
                 TextServer server = TextServer.start(service, options, key)) {
                serve(server, service, key, stop);
            }
        }
        return 0;
    }

    private void serve(TextServer server, TextService service, @Nullable String key, StopSignal stop) throws InterruptedException {
        InetAddress address = server.address().getAddress();
        if (key == null && !address.isLoopbackAddress()) {
            common.message("anybody who reaches " + address.getHostAddress() + " may ask: there is no --api-key-file");
        }
        common.message("models: " + String.join(", ", service.names()) + "; " + service.scheduler().room() + " tokens a request"
            + (monitoring.given() ? "; every request is monitored" : ""));
        String host = address.getHostAddress();
        // The one line of standard output: whoever starts the server reads from it where to ask.
        common.printText("http://" + (host.indexOf(':') < 0 ? host : "[" + host + "]") + ":" + server.address().getPort() + "/v1\n");
        while (!stop.asked()) {
            Thread.sleep(LOOK_MS);
        }
        if (!server.drain()) {
            common.message("answers that took longer than --drain-s are cut off");
        }
    }

    private @Nullable String key(@Nullable String ofEnvironment) {
        if (keyFile == null) {
            return ofEnvironment == null || ofEnvironment.isBlank() ? null : ofEnvironment.strip();
        }
        try {
            String key = Files.readString(keyFile).strip();
            if (key.isEmpty() || key.lines().count() > 1) {
                throw new InputException("--api-key-file " + keyFile + " has " + (key.isEmpty() ? "no key" : "several lines")
                    + ", expected a key on one line");
            }
            return key;
        } catch (NoSuchFileException e) {
            throw new InputException("--api-key-file " + keyFile + " does not exist, expected a file with a key on one line", e);
        } catch (IOException e) {
            throw new InputException("--api-key-file " + keyFile + " cannot be read: " + e, e);
        }
    }

    /** Adapters that are open as long as the server. */
    private static final class Adapters implements AutoCloseable {
        private final List<LoraAdapter> opened = new ArrayList<>();

        AdapterStack load(Path directory, CausalModel model, CommonOptions common) {
            opened.add(LoraAdapter.load(directory, model.config(), model.engine()));
            opened.getLast().notes().forEach(common::message);
            return AdapterStack.of(opened.getLast().modules());
        }

        @Override
        public void close() {
            opened.forEach(LoraAdapter::close);
        }
    }
}
