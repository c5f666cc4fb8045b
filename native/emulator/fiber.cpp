#include "emulator/fiber.h"

#include <pthread.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cstdint>
#include <new>

#if defined(__SANITIZE_ADDRESS__)
#include <sanitizer/asan_interface.h>
#include <sanitizer/common_interface_defs.h>
#endif
#if !defined(__x86_64__)
#include <ucontext.h>
#endif

namespace sails_emulator {
namespace {

#if defined(__SANITIZE_ADDRESS__)
constexpr size_t kStackBytes = 256 * 1024;  // red zones make frames several times larger
#else
constexpr size_t kStackBytes = 64 * 1024;
#endif
// The frames that a finished fiber leaves on its stack are those of the thread loop.
constexpr size_t kLoopFrames = 4096;

void unpoison([[maybe_unused]] const void *begin, [[maybe_unused]] size_t bytes) {
#if defined(__SANITIZE_ADDRESS__)
  __asan_unpoison_memory_region(begin, bytes);
#endif
}

}  // namespace

Stack::Stack() {
  const size_t page = static_cast<size_t>(sysconf(_SC_PAGESIZE));
  void *memory = mmap(nullptr, kStackBytes + page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_STACK, -1, 0);
  if (memory == MAP_FAILED) throw std::bad_alloc();
  mprotect(memory, page, PROT_NONE);
  base = static_cast<char *>(memory) + page;
  bytes = kStackBytes;
}

Stack::~Stack() {
  const size_t page = static_cast<size_t>(sysconf(_SC_PAGESIZE));
  munmap(base - page, bytes + page);
}

void adopt_thread_stack(Context &context) {
  context = Context();
#if defined(__SANITIZE_ADDRESS__)
  pthread_attr_t attributes;
  void *bottom = nullptr;
  if (pthread_getattr_np(pthread_self(), &attributes) != 0) return;
  pthread_attr_getstack(&attributes, &bottom, &context.size);
  pthread_attr_destroy(&attributes);
  context.bottom = bottom;
#endif
}

void forget_frames(const Stack &stack) { unpoison(stack.base, stack.bytes); }

#if defined(__x86_64__)

extern "C" void sails_emulator_switch(void **save, void *load);
// The registers that the System V ABI lets a function keep are saved on the old stack and taken from the new one.
asm(R"(
.text
.hidden sails_emulator_switch
.globl sails_emulator_switch
.type sails_emulator_switch,@function
sails_emulator_switch:
  pushq %rbp
  pushq %rbx
  pushq %r12
  pushq %r13
  pushq %r14
  pushq %r15
  movq %rsp, (%rdi)
  movq %rsi, %rsp
  popq %r15
  popq %r14
  popq %r13
  popq %r12
  popq %rbx
  popq %rbp
  ret
.size sails_emulator_switch,.-sails_emulator_switch
)");

void prepare(Context &context, const Stack &stack, void (*entry)()) {
  unpoison(stack.base + stack.bytes - kLoopFrames, kLoopFrames);
  auto *top = reinterpret_cast<uint64_t *>(stack.base + stack.bytes);
  // After `ret` into entry the stack pointer must be 8 below a multiple of 16, as after a call.
  *--top = 0;
  *--top = reinterpret_cast<uint64_t>(entry);
  for (int i = 0; i < 6; i++) *--top = 0;
  context.stack_pointer = top;
  context.stack = &stack;
}

static void raw_switch(Context &from, Context &to) { sails_emulator_switch(&from.stack_pointer, to.stack_pointer); }

#else

void prepare(Context &context, const Stack &stack, void (*entry)()) {
  unpoison(stack.base + stack.bytes - kLoopFrames, kLoopFrames);
  auto *u = static_cast<ucontext_t *>(context.stack_pointer);
  if (u == nullptr) context.stack_pointer = u = new ucontext_t;
  getcontext(u);
  u->uc_stack.ss_sp = stack.base;
  u->uc_stack.ss_size = stack.bytes;
  u->uc_link = nullptr;
  makecontext(u, entry, 0);
  context.stack = &stack;
}

static void raw_switch(Context &from, Context &to) {
  if (from.stack_pointer == nullptr) from.stack_pointer = new ucontext_t;
  swapcontext(static_cast<ucontext_t *>(from.stack_pointer), static_cast<ucontext_t *>(to.stack_pointer));
}

#endif

void switch_context(Context &from, Context &to, bool last) {
#if defined(__SANITIZE_ADDRESS__)
  const void *bottom = to.stack != nullptr ? static_cast<const void *>(to.stack->base) : to.bottom;
  const size_t size = to.stack != nullptr ? to.stack->bytes : to.size;
  __sanitizer_start_switch_fiber(last ? nullptr : &from.fake_stack, bottom, size);
#else
  (void)last;
#endif
  raw_switch(from, to);
  entered(from);
}

void entered(Context &context) {
#if defined(__SANITIZE_ADDRESS__)
  __sanitizer_finish_switch_fiber(context.fake_stack, nullptr, nullptr);
  context.fake_stack = nullptr;
#else
  (void)context;
#endif
}

}  // namespace sails_emulator
