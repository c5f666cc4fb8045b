// Device memory and its accounts; checks of the copies.
#include "shell/checks.h"

extern "C" {

int32_t sails_alloc(sails_device *device, void **out_pointer, int64_t bytes) {
  return guarded(device, "sails_alloc", [&] {
    require_not_recording(*device);
    require(out_pointer != nullptr, "out_pointer is NULL");
    *out_pointer = nullptr;
    require_size(bytes, "bytes");
    require(bytes < (int64_t{1} << 62), "bytes is ", bytes, ", more than any machine has");
    if (bytes == 0) return;
    void *pointer = backend::allocate(*device, bytes);
    try {
      device->allocations.emplace(pointer, bytes);
    } catch (...) {
      backend::release(*device, pointer);
      throw;
    }
    device->allocated_bytes += bytes;
    device->peak_bytes = std::max(device->peak_bytes, device->allocated_bytes);
    *out_pointer = pointer;
  });
}

int32_t sails_free(sails_device *device, void *pointer) {
  return guarded(device, "sails_free", [&] {
    require_not_recording(*device);
    if (pointer == nullptr) return;
    const auto found = device->allocations.find(pointer);
    require(found != device->allocations.end(), "the pointer was not allocated by this device, or is already freed");
    // First: where this fails the memory is still the device's.
    backend::release(*device, pointer);
    device->allocated_bytes -= found->second;
    device->allocations.erase(found);
  });
}

int32_t sails_upload(sails_device *device, void *destination, const void *host_source, int64_t bytes) {
  return guarded(device, "sails_upload", [&] {
    require_not_recording(*device);
    require_size(bytes, "bytes");
    require_pointer(destination, bytes, 1, "destination");
    require_pointer(host_source, bytes, 1, "source");
    if (bytes > 0) backend::upload(*device, destination, host_source, bytes);
  });
}

int32_t sails_download(sails_device *device, void *host_destination, const void *source, int64_t bytes) {
  return guarded(device, "sails_download", [&] {
    require_not_recording(*device);
    require_size(bytes, "bytes");
    require_pointer(host_destination, bytes, 1, "destination");
    require_pointer(source, bytes, 1, "source");
    if (bytes > 0) backend::download(*device, host_destination, source, bytes);
  });
}

int32_t sails_copy(sails_device *device, void *destination, const void *source, int64_t bytes) {
  return guarded(device, "sails_copy", [&] {
    require_size(bytes, "bytes");
    require_pointer(destination, bytes, 1, "destination");
    require_pointer(source, bytes, 1, "source");
    if (bytes > 0) backend::copy(*device, destination, source, bytes);
  });
}

int32_t sails_fill_zero(sails_device *device, void *destination, int64_t bytes) {
  return guarded(device, "sails_fill_zero", [&] {
    require_size(bytes, "bytes");
    require_pointer(destination, bytes, 1, "destination");
    if (bytes > 0) backend::fill_zero(*device, destination, bytes);
  });
}

int32_t sails_synchronize(sails_device *device) {
  return guarded(device, "sails_synchronize", [&] {
    sails::require_not_recording(*device);
    backend::synchronize(*device);
  });
}

}  // extern "C"
