// Stacks and the switch between them.
#pragma once

#include <cstddef>

namespace sails_emulator {

// A stack with a guard page below, good for any number of fibers one after the other.
struct Stack {
  char *base = nullptr;  // lowest usable address
  size_t bytes = 0;
  Stack();
  ~Stack();
  Stack(const Stack &) = delete;
  Stack &operator=(const Stack &) = delete;
};

// A place where execution can be continued.
struct Context {
  void *stack_pointer = nullptr;
  const Stack *stack = nullptr;  // NULL: the OS thread's own
#if defined(__SANITIZE_ADDRESS__)
  void *fake_stack = nullptr;
  const void *bottom = nullptr;  // of the OS thread's own stack
  size_t size = 0;
#endif
};

// A context that stands for the calling OS thread's own stack.
void adopt_thread_stack(Context &context);
// Forgets what the sanitizer knows about the frames of a stack whose fiber was left in the middle.
void forget_frames(const Stack &stack);
// Makes `context` start at `entry` on the stack when it is switched to. `entry` must not return.
void prepare(Context &context, const Stack &stack, void (*entry)());
// Continues `to`, so that a later switch to `from` returns here. `last`: `from` is never continued again.
void switch_context(Context &from, Context &to, bool last = false);
// The first thing on a fresh stack: tells the sanitizer that the switch is complete.
void entered(Context &context);

}  // namespace sails_emulator
