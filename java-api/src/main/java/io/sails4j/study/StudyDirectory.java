package io.sails4j.study;

import java.nio.file.Path;

/** Where a study keeps what it has done: OUT grows until everything is in it. */
record StudyDirectory(Path root) {
    /** What the study is, and the rule by which learning rates are chosen; written before anything is trained. */
    Path plan() {
        return root.resolve("plan.json");
    }

    Path choices() {
        return root.resolve("choices.json");
    }

    Path subspace(String name) {
        return root.resolve("subspaces").resolve(name + ".safetensors");
    }

    Path task(String id) {
        return root.resolve("runs").resolve(id);
    }

    Path results() {
        return root.resolve("study.json");
    }
}
