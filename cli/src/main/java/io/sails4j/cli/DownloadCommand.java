package io.sails4j.cli;

import io.sails4j.hub.HubDownload;
import io.sails4j.hub.HubListener;
import io.sails4j.hub.HubRepo;
import io.sails4j.hub.HubRequest;
import io.sails4j.hub.HubSettings;
import io.sails4j.hub.HubSnapshot;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.concurrent.Callable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;

@Command(name = "download", description = {
    "Bring a model, an adapter or SAEs from the Hugging Face hub into its cache, where --model ORG/NAME finds them.",
    "A download that was stopped goes on where it ended; every file is checked against the hub's checksum. HF_TOKEN or its file is used for"
        + " gated repositories, HF_ENDPOINT for a mirror, HF_HUB_CACHE or HF_HOME for another cache."})
final class DownloadCommand implements Callable<Integer> {
    private static final long MIB = 1 << 20;

    @Mixin
    private CommonOptions common;

    @Parameters(paramLabel = "ORG/NAME", description = "repository, such as google/gemma-2-2b-it")
    private String repository;

    @Option(names = "--revision", defaultValue = "main", paramLabel = "R", description = "branch, tag or commit (default: main)")
    private String revision;

    @Option(names = "--include", paramLabel = "GLOB",
        description = "files to fetch, '*' standing for any characters; repeat for more (default: safetensors, npz, JSON, tokenizer and"
            + " licence at the repository's top)")
    private List<String> include = new ArrayList<>();

    @Override
    public Integer call() {
        HubSettings settings = HubSettings.ofSystem();
        HubRequest request = new HubRequest(new HubRepo(repository), revision, include);
        common.message("cache: " + settings.cache() + ", from " + settings.endpoint()
            + (settings.token() == null ? " without a token" : " with the token of " + settings.tokenSource()));
        HubSnapshot snapshot;
        try (ProgressBar bar = common.progress("MiB")) {
            snapshot = new HubDownload(settings).run(request, new HubListener() {
                @Override
                public void progress(long done, long total, String file) {
                    bar.update(done / MIB, total / MIB, 0, file);
                }

                @Override
                public void note(String sentence) {
                    common.message(sentence);
                }
            });
        }
        common.print(CommonOptions.object().put("repository", repository).put("commit", snapshot.commit())
            .put("directory", snapshot.directory().toString()).put("files", snapshot.files()).put("bytes", snapshot.bytes())
            .put("downloaded_bytes", snapshot.downloadedBytes()),
            Table.ofPairs().row("repository", repository).row("commit", snapshot.commit()).row("directory", snapshot.directory())
                .row("files", String.format(Locale.ROOT, "%d, %,d bytes, %,d of them downloaded now", snapshot.files(), snapshot.bytes(),
                    snapshot.downloadedBytes())));
        return 0;
    }
}
