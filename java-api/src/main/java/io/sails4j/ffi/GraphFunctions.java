package io.sails4j.ffi;

/** The section "graph" of {@code sails.h}: recorded operations. */
public interface GraphFunctions {
    @Symbol("sails_graph_begin")
    void graphBegin();

    @Symbol("sails_graph_end")
    long graphEnd();

    @Symbol("sails_graph_launch")
    void graphLaunch(long graph);

    @Symbol("sails_graph_close")
    void graphClose(long graph);
}
