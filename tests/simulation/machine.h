// What a run happens on, and one life of fetchd on it.
#pragma once

#include <filesystem>
#include <memory>
#include <optional>
#include <vector>

#include "fetch/engine_core.h"
#include "simulation/file_disk.h"
#include "simulation/origins.h"
#include "simulation/scheduler.h"
#include "simulation/simulated_store.h"
#include "simulation/sqlite_disk.h"
#include "support/fake_http_client.h"

namespace fetchd::simulation {

/// Lasts longer than one run. Owns its folder, in memory if that can be: only the file sink's files
/// and the store's key and lock are in it.
class Machine {
 public:
  explicit Machine(std::filesystem::path in);
  ~Machine();
  Machine(const Machine&) = delete;
  Machine& operator=(const Machine&) = delete;

  /// As it is before the first start ever.
  void Reset();
  std::filesystem::path database_path() const { return folder / "jobs.db"; }
  std::filesystem::path key_path() const { return folder / "jobs.key"; }

  const std::filesystem::path folder;
  Power power;
  StoreLoop store_loop;
  SqliteDisk database;
  FileDisk files;

 private:
  SqliteDisk::Image empty_;  ///< With the tables, for to make them takes longer than a run.
};

/// SQLite is the real thing, on SqliteDisk; with the store in memory a run takes a tenth of the
/// time.
enum class StoreKind { kMemory, kSqlite };

/// What a run is about besides the machine.
struct Scene {
  Scene(std::uint64_t seed, StoreKind kind, bool traced);

  Dice dice;
  testing::ManualClock clock;
  Delays delays{clock};
  Trace trace;
  Ledger ledger{trace};
  Origins origins{clock, dice, trace, Weather::Of(dice)};
  StoreWeather store_weather = StoreWeather::Of(dice);
  double file_faults = 0;
  testing::MemoryStore memory_store{clock};
  const StoreKind store_kind;
  Scheduler scheduler{1 + dice.Below(2), clock, delays, dice};

  void Calm(Machine& machine);
};

/// The same network on each shard.
class SimulatedClients final : public fetch::Clients {
 public:
  SimulatedClients(std::size_t shards, Scene& scene);
  http::Client& ForShard(std::size_t shard) override { return *clients_[shard]; }
  std::size_t ShardFor(const Origin& origin) const override {
    return origin.host.size() % clients_.size();
  }
  void CountRetry(const Origin&) override {}

 private:
  std::vector<std::unique_ptr<testing::FakeHttpClient>> clients_;
};

/// From a start to a drain or a crash.
class Life {
 public:
  /// Null when it died, or failed, while it started.
  static std::unique_ptr<Life> Start(Machine& machine, Scene& scene, fetch::EngineConfig config);
  ~Life();
  Life(const Life&) = delete;
  Life& operator=(const Life&) = delete;

  fetch::EngineCore& engine() { return *engine_; }
  SimulatedStore& store() { return *store_; }
  const sink::BufferPool& buffers() const { return buffers_; }

 private:
  Life(Machine& machine, Scene& scene);
  absl::Status Open(const fetch::EngineConfig& config);
  absl::Status OpenStore();

  Machine& machine_;
  Scene& scene_;
  telemetry::Logger log_;
  sink::BufferPool buffers_;
  std::unique_ptr<SimulatedStore> store_;
  std::unique_ptr<sink::Destinations> destinations_;
  SimulatedClients clients_;
  std::unique_ptr<fetch::EngineCore> engine_;
};

}  // namespace fetchd::simulation
