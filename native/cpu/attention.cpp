// Attention: the arguments as the vector code takes them.
#include "cpu/device.h"
#include "shell/backend.h"

namespace sails::backend {

int64_t attention_forward_workspace_bytes(sails_device &device, const AttentionSizes &sizes) {
  CpuDevice &host = cpu(device);
  return host.kernels->attention->forward_workspace_bytes({sizes, {}, host.pool.get()});
}

void attention_forward(sails_device &device, const AttentionForward &p, Workspace workspace) {
  CpuDevice &host = cpu(device);
  host.kernels->attention->forward(p.out, p.lse, {p.sizes, p.inputs, host.pool.get()}, workspace.data());
}

int64_t attention_backward_workspace_bytes(sails_device &device, const AttentionSizes &sizes) {
  CpuDevice &host = cpu(device);
  return host.kernels->attention->backward_workspace_bytes({sizes, {}, host.pool.get()});
}

void attention_backward(sails_device &device, const AttentionBackward &p, Workspace workspace) {
  CpuDevice &host = cpu(device);
  host.kernels->attention->backward(p.dq, p.dk, p.dv, p.dout, p.out, p.lse, {p.sizes, p.inputs, host.pool.get()}, workspace.data());
}

}  // namespace sails::backend
