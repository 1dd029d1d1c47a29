#include "simulation/machine.h"

#include <array>

#include "base/check.h"
#include "store/sqlite_store.h"

namespace fetchd::simulation {
namespace {

std::shared_ptr<const egress::Policy> EveryName() { return *egress::Policy::Create({}); }

std::size_t BudgetOf(Dice& dice) {
  constexpr std::array<std::size_t, 3> kBudgets = {256, 512, 4096};  // KiB; a block is up to 256.
  return dice.Pick(kBudgets) << 10;
}

}  // namespace

Machine::Machine(std::filesystem::path in)
    : folder(std::move(in)), database(power), files(power, folder) {
  testing::ManualClock clock;
  database.Reset({{database_path().string(), ""}});
  auto store =
      store::SqliteStore::Open({database_path(), key_path()}, clock, store_loop.blocking());
  FETCHD_CHECK(store.ok());
  store->reset();
  empty_ = database.Read();
}

Machine::~Machine() { std::filesystem::remove_all(folder); }

void Machine::Reset() {
  power.On();
  database.Reset(empty_);
  files.Fail(0, nullptr);
  files.Watch(nullptr);
  files.Reset();
}

Scene::Scene(std::uint64_t seed, StoreKind kind, bool traced)
    : dice(seed), trace(clock, traced), store_kind(kind) {
  constexpr std::array<double, 4> kFaults = {0, 0, 0.01, 0.1};
  file_faults = dice.Pick(kFaults);
}

void Scene::Calm(Machine& machine) {
  trace.Note("from now on everything works");
  origins.Calm();
  store_weather = {};
  file_faults = 0;
  machine.files.Fail(0, nullptr);
}

SimulatedClients::SimulatedClients(std::size_t shards, Scene& scene) {
  const auto answer = [&scene](const http::Request& request) {
    return scene.origins.Answer(request);
  };
  for (std::size_t i = 0; i < shards; ++i) {
    clients_.push_back(std::make_unique<testing::FakeHttpClient>(answer, &scene.clock));
  }
}

Life::Life(Machine& machine, Scene& scene)
    : machine_(machine),
      scene_(scene),
      log_(
          {}, [](std::string_view) {}, [&scene] { return scene.clock.WallNow(); }),
      buffers_(BudgetOf(scene.dice)),
      clients_(scene.scheduler.runtime().size(), scene) {}

absl::Status Life::OpenStore() {
  const StoreDeps deps{machine_.store_loop, scene_.clock,  scene_.delays, scene_.dice,
                       machine_.power,      scene_.ledger, scene_.trace};
  if (scene_.store_kind == StoreKind::kMemory) {
    store_ = std::make_unique<SimulatedStore>(deps, scene_.memory_store, scene_.store_weather);
    return absl::OkStatus();
  }
  ASSIGN_OR_RETURN(auto store,
                   store::SqliteStore::Open({machine_.database_path(), machine_.key_path()},
                                            scene_.clock, machine_.store_loop.blocking()));
  store_ = std::make_unique<SimulatedStore>(deps, std::move(store), scene_.store_weather);
  return absl::OkStatus();
}

absl::Status Life::Open(const fetch::EngineConfig& config) {
  machine_.files.Fail(0, nullptr);  // A start that fails is tried again; let it be the store's.
  runtime::Runtime& runtime = scene_.scheduler.runtime();
  RETURN_IF_ERROR(OpenStore());
  scene_.ledger.Compare(store_->All());
  ASSIGN_OR_RETURN(destinations_,
                   sink::Destinations::Open(machine_.files.root(), scene_.clock, runtime.blocking(),
                                            runtime.shard(0).executor(), machine_.files));
  engine_ = std::make_unique<fetch::EngineCore>(
      fetch::CoreDeps{runtime, scene_.clock, *store_, clients_, *destinations_, buffers_,
                      EveryName(), log_, [this] { return scene_.dice.Uniform(); }},
      config);
  RETURN_IF_ERROR(engine_->Start());
  machine_.files.Fail(scene_.file_faults, &scene_.dice);
  return absl::OkStatus();
}

std::unique_ptr<Life> Life::Start(Machine& machine, Scene& scene, fetch::EngineConfig config) {
  std::unique_ptr<Life> life(new Life(machine, scene));
  const absl::Status opened = life->Open(config);
  if (opened.ok()) return life;
  scene.trace.Note("does not start: ", MessageOf(opened));
  return nullptr;
}

Life::~Life() = default;

}  // namespace fetchd::simulation
