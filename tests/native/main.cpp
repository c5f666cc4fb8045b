// Runs the tests that are linked to it.
#include "check.h"
#include "emulator/host_runtime.h"

int main() {
  // Children are forked: no OS threads but this one, except where a test asks for them.
  sails_emulator::set_threads(1);
  return check::run_all();
}
