// Runs of the engine, the store and the file sink under simulated time, network and disk.
//
//   simulation_test [--first=K] [--seeds=N] [--sqlite-every=M] [googletest options]
//
// FETCHD_SIMULATION_SEEDS and FETCHD_SIMULATION_FIRST say the same as the first two. Each M-th seed
// has the job store on SQLite. A seed that fails is run again with its trace.
#include "simulation/simulation.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <malloc.h>
#include <unistd.h>

#include <charconv>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string_view>

namespace fetchd::simulation {
namespace {

struct Options {
  std::uint64_t first = 1, seeds = 10'000, sqlite_every = 100;
};
Options options;

/// For the handler of SIGABRT: a check that fails ends the process.
char repeat_command[128] = {};

void SayHowToRepeat(int) {
  static_cast<void>(::write(STDERR_FILENO, repeat_command, std::strlen(repeat_command)));
}

std::filesystem::path NewFolder() {
  const bool memory = ::access("/dev/shm", W_OK) == 0;
  std::string pattern =
      memory ? "/dev/shm/fetchd-simulation-XXXXXX" : "/tmp/fetchd-simulation-XXXXXX";
  return ::mkdtemp(pattern.data());
}

class SimulationTest : public ::testing::Test {
 protected:
  RunReport RunOne(std::uint64_t seed, bool traced) {
    const bool sqlite = seed % options.sqlite_every == 0;
    const std::string command =
        Concat("repeat with: simulation_test --seeds=1 --first=", seed,
               sqlite ? " --sqlite-every=1\n" : " --sqlite-every=1000000000\n");
    command.copy(repeat_command, sizeof repeat_command - 1);
    return RunSeed(machine_, seed, sqlite ? StoreKind::kSqlite : StoreKind::kMemory, traced);
  }

  Machine machine_{NewFolder()};
};

TEST_F(SimulationTest, EverySeedHoldsEveryInvariant) {
  std::size_t jobs = 0, crashes = 0, drains = 0;
  std::uint64_t steps = 0;
  for (std::uint64_t seed = options.first; seed < options.first + options.seeds; ++seed) {
    const RunReport report = RunOne(seed, false);
    jobs += report.jobs_ended;
    crashes += report.crashes;
    drains += report.drains;
    steps += report.steps;
    if (report.violations.empty()) continue;
    for (const std::string& line : RunOne(seed, true).trace) std::printf("%s\n", line.c_str());
    ADD_FAILURE() << "seed " << seed << ": " << report.violations.front() << "\n" << repeat_command;
    return;
  }
  std::printf("%llu seeds: %zu jobs ended, %zu crashes, %zu drains, %llu steps\n",
              static_cast<unsigned long long>(options.seeds), jobs, crashes, drains,
              static_cast<unsigned long long>(steps));
}

TEST_F(SimulationTest, ASeedIsOneRun) {
  for (std::uint64_t seed = 91; seed <= 110; ++seed) {  // One of them on SQLite.
    const RunReport first = RunOne(seed, true);
    const RunReport second = RunOne(seed, true);

    ASSERT_EQ(first.trace, second.trace) << "seed " << seed;
    ASSERT_EQ(first.steps, second.steps) << "seed " << seed;
  }
}

void Read(std::string_view text, std::uint64_t& value) {
  std::from_chars(text.data(), text.data() + text.size(), value);
}

void ReadOptions(int count, char** arguments) {
  if (const char* seeds = std::getenv("FETCHD_SIMULATION_SEEDS")) Read(seeds, options.seeds);
  if (const char* first = std::getenv("FETCHD_SIMULATION_FIRST")) Read(first, options.first);
  for (int i = 1; i < count; ++i) {
    const std::string_view argument = arguments[i];
    if (argument.starts_with("--seeds=")) Read(argument.substr(8), options.seeds);
    if (argument.starts_with("--first=")) Read(argument.substr(8), options.first);
    if (argument.starts_with("--sqlite-every=")) Read(argument.substr(15), options.sqlite_every);
  }
}

}  // namespace
}  // namespace fetchd::simulation

int main(int count, char** arguments) {
  // Bodies come and go by the thousand: their memory is kept, for the kernel to clear each anew
  // takes longer than to fill it.
  ::mallopt(M_MMAP_THRESHOLD, 1 << 30);
  ::mallopt(M_TRIM_THRESHOLD, 1 << 30);
  ::testing::InitGoogleTest(&count, arguments);
  fetchd::simulation::ReadOptions(count, arguments);
  std::signal(SIGABRT, fetchd::simulation::SayHowToRepeat);
  return RUN_ALL_TESTS();
}
