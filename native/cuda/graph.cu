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
  cudaGraph_t recorded = nullptr;
  check(cudaStreamEndCapture(cuda(device).stream, &recorded));
  auto graph = std::make_unique<Graph>();
  const cudaError_t status = cudaGraphInstantiate(&graph->executable, recorded, 0);
  (void)cudaGraphDestroy(recorded);
  check(status);
  return graph;
}

void graph_launch(sails_device &device, sails_graph &graph) {
  check(cudaGraphLaunch(static_cast<Graph &>(graph).executable, cuda(device).stream));
}

}  // namespace backend
}  // namespace sails
