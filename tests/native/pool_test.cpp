// The CPU library's pool of threads: every part once, and what it wrote is there when the job has ended.
#include "cpu/pool.h"

#include <string>
#include <vector>

#include "check.h"

using check::expect;

namespace {

struct Job {
  std::vector<int> times;    // that each part was done
  std::vector<int> threads;  // who did it
};

void count(const void *context, int64_t part, int thread) {
  auto &job = *static_cast<Job *>(const_cast<void *>(context));
  job.times[static_cast<size_t>(part)]++;
  job.threads[static_cast<size_t>(part)] = thread;
}

std::string run_once(sails::Pool &pool, int64_t parts) {
  Job job{std::vector<int>(static_cast<size_t>(parts)), std::vector<int>(static_cast<size_t>(parts), -1)};
  pool.run(parts, count, &job);
  std::string problems;
  for (size_t part = 0; part < job.times.size(); part++)
    problems += expect(job.times[part] == 1 && job.threads[part] >= 0 && job.threads[part] < pool.threads(),
                       "part " + std::to_string(part) + " of " + std::to_string(parts) + " was done " + std::to_string(job.times[part]) +
                           " times, at last by thread " + std::to_string(job.threads[part]));
  return problems;
}

check::Register every_part_once("pool: every part once", [] {
  std::string problems;
  for (const int threads : {1, 2, 5}) {
    sails::Pool pool(threads);
    problems += expect(pool.threads() == threads, "a pool of " + std::to_string(threads) + " has " + std::to_string(pool.threads()));
    for (const int64_t parts : {int64_t{0}, int64_t{1}, int64_t{2}, int64_t{7}, int64_t{1000}, sails::kMostParts})
      problems += run_once(pool, parts);
  }
  return problems;
});

// Jobs follow one another faster than threads fall asleep and wake: nobody takes a part of a job that has ended.
check::Register jobs_in_a_row("pool: many jobs in a row", [] {
  std::string problems;
  sails::Pool pool(4);
  for (int64_t job = 0; job < 5000 && problems.empty(); job++) problems += run_once(pool, 2 + job % 9);
  return problems;
});

check::Register unused("pool: one that is never used ends", [] {
  for (int i = 0; i < 50; i++) sails::Pool(3);
  return std::string();
});

}  // namespace
