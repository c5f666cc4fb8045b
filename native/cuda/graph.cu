// Recording the handle's queue as a CUDA graph.
#include "cuda/device.h"

namespace sails {
namespace {

struct Graph : sails_graph {
  cudaGraphExec_t executable = nullptr;
  ~Graph() override {
    if (executable != nullptr) (void)cudaGraphExecDestroy(executable);
  }
};

}  // namespace

namespace backend {

// Thread-local: other threads may go on using other devices of the process.
void graph_begin(sails_device &device) { check(cudaStreamBeginCapture(cuda(device).stream, cudaStreamCaptureModeThreadLocal)); }

std::unique_ptr<sails_graph> graph_end(sails_device &device) {
  struct Recorded {
    cudaGraph_t graph = nullptr;
    ~Recorded() {
      if (graph != nullptr) (void)cudaGraphDestroy(graph);
    }
  } recorded;
  check(cudaStreamEndCapture(cuda(device).stream, &recorded.graph));
  auto graph = std::make_unique<Graph>();
  check(cudaGraphInstantiate(&graph->executable, recorded.graph, 0));
  return graph;
}

void graph_launch(sails_device &device, sails_graph &graph) {
  check(cudaGraphLaunch(static_cast<Graph &>(graph).executable, cuda(device).stream));
}

}  // namespace backend
}  // namespace sails
