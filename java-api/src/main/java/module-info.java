import org.jspecify.annotations.NullMarked;

/**
 * sails4j: safety alignment of Gemma-2 and Llama-3 in a subspace that people can read.
 *
 * <p>What is exported is the API. The rest, the native layer among it, may change with every version.
 */
@NullMarked module io.sails4j {
    requires static transitive org.jspecify;
    // Options and configurations are given out as JSON.
    requires transitive com.fasterxml.jackson.databind;
    requires com.fasterxml.jackson.dataformat.csv;
    requires com.fasterxml.jackson.dataformat.yaml;
    requires ai.djl.tokenizers;
    // Parquet. The codec is a module that nobody else asks for.
    requires dev.hardwood.core;
    requires com.github.luben.zstd_jni;
    requires ejml.core;
    requires jinjava;
    // Jinjava names java.beans.
    requires java.desktop;
    requires ejml.ddense;
    requires gg.jte.runtime;
    // Generated sources say so by its annotation, which no class file keeps.
    requires static java.compiler;
    requires java.net.http;
    // What a template may use of the processor.
    requires java.management;
    requires jdk.jfr;
    // Modules with a description that automatic ones (DJL, Jinjava) use and cannot ask for.
    requires org.slf4j;
    requires com.google.gson;
    requires org.apache.commons.lang3;
    requires com.fasterxml.jackson.datatype.jdk8;

    // A function of its templates is found by reflection.
    opens io.sails4j.data to jinjava;

    exports io.sails4j;
    exports io.sails4j.align;
    exports io.sails4j.attack;
    exports io.sails4j.config;
    exports io.sails4j.data;
    exports io.sails4j.eval;
    exports io.sails4j.explain;
    exports io.sails4j.hub;
    exports io.sails4j.io;
    exports io.sails4j.judge;
    exports io.sails4j.lora;
    exports io.sails4j.model;
    exports io.sails4j.monitor;
    exports io.sails4j.ops;
    exports io.sails4j.options;
    exports io.sails4j.recovery;
    exports io.sails4j.report;
    exports io.sails4j.run;
    exports io.sails4j.sae;
    exports io.sails4j.saeeval;
    exports io.sails4j.saetrain;
    exports io.sails4j.serving;
    exports io.sails4j.stats;
    exports io.sails4j.steer;
    exports io.sails4j.study;
    exports io.sails4j.subspace;
    exports io.sails4j.tensor;
    exports io.sails4j.trace;
    exports io.sails4j.train;
    exports io.sails4j.utility;
}
