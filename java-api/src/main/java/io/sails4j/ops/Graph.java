package io.sails4j.ops;

import io.sails4j.ffi.NativeDevice;

/**
 * Operations that were recorded once and are launched together, as often as wanted: on a GPU one submission in place of one for each
 * kernel. The tensors, sizes and scalars are those of the recording; the tensors must stay open as long as the graph.
 */
public final class Graph implements AutoCloseable {
    private final NativeDevice device;
    private final Workspace workspace;
    private final long address;
    private boolean open = true;

    private Graph(NativeDevice device, Workspace workspace, long address) {
        this.device = device;
        this.workspace = workspace;
        this.address = address;
    }

    /**
     * Records what {@code body} calls; whatever it throws ends the recording. Other threads' calls wait for its end, since the device would
     * record them too; the locks are taken in the order in which every operation takes them.
     */
    static Graph record(NativeDevice device, Workspace workspace, Runnable body) {
        synchronized (workspace) {
            synchronized (device) {
                return recordAlone(device, workspace, body);
            }
        }
    }

    private static Graph recordAlone(NativeDevice device, Workspace workspace, Runnable body) {
        device.graphBegin();
        boolean done = false;
        try {
            body.run();
            done = true;
        } finally {
            if (!done) {
                device.graphClose(device.graphEnd());
            }
        }
        long address = device.graphEnd();
        workspace.graphRecorded();
        return new Graph(device, workspace, address);
    }

    /** Queues all recorded operations in their order. */
    public synchronized void launch() {
        if (!open) {
            throw new IllegalStateException("the graph is closed");
        }
        device.graphLaunch(address);
    }

    /** A second call does nothing. */
    @Override
    public synchronized void close() {
        if (open) {
            open = false;
            device.graphClose(address);
            workspace.graphClosed();
        }
    }
}
