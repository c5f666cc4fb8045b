// Recording operations and running them again.
#include "shell/checks.h"

namespace {

void require_graph(const sails_device &device, sails_graph *graph) {
  require(graph != nullptr, "graph is NULL");
  require(device.graphs.count(graph) == 1, "the graph was not recorded on this device, or is already closed");
}

}  // namespace

extern "C" {

int32_t sails_graph_begin(sails_device *device) {
  return guarded(device, "sails_graph_begin", [&] {
    require(!device->recording, "the device is recording already");
    backend::graph_begin(*device);
    device->recording = true;
  });
}

int32_t sails_graph_end(sails_device *device, sails_graph **out_graph) {
  return guarded(device, "sails_graph_end", [&] {
    require(out_graph != nullptr, "out_graph is NULL");
    *out_graph = nullptr;
    require(device->recording, "nothing is being recorded; call sails_graph_begin first");
    // Whatever happens, the recording is over.
    device->recording = false;
    std::unique_ptr<sails_graph> graph = backend::graph_end(*device);
    device->graphs.insert(graph.get());
    *out_graph = graph.release();
  });
}

int32_t sails_graph_launch(sails_device *device, sails_graph *graph) {
  return guarded(device, "sails_graph_launch", [&] {
    require_graph(*device, graph);
    require(!device->recording, "a graph cannot be launched while another is recorded");
    backend::graph_launch(*device, *graph);
  });
}

int32_t sails_graph_close(sails_device *device, sails_graph *graph) {
  return guarded(device, "sails_graph_close", [&] {
    if (graph == nullptr) return;
    require_graph(*device, graph);
    device->graphs.erase(graph);
    delete graph;
  });
}

}  // extern "C"
