#include "simulation/simulation.h"

#include <algorithm>
#include <array>

#include "simulation/callers.h"

namespace fetchd::simulation {
namespace {

using namespace std::chrono_literals;

/// Once everything works: circuits open for up to 50 s, retries after up to 30 s, pauses of up to
/// 20 s, the expirer and the dispatcher that look at the wall clock once a minute; and what is due
/// by a wall clock that was ahead is due when the right one gets there.
constexpr Duration kBound = 5min + kWallError;

/// For runs whose job has ended already, by a cancellation: they have 10 s to record it.
constexpr Duration kToRest = 15s;

/// What callers do in one life, and within which time.
constexpr std::uint64_t kActions = 5;
constexpr Duration kSpan = 6s;

fetch::EngineConfig ConfigOf(Dice& dice) {
  constexpr std::array<Duration, 3> kIntervals = {0s, 1s, 5s};
  constexpr std::array<std::uint64_t, 3> kBytes = {1, 500, 5000};
  fetch::EngineConfig config;
  config.max_transfers = 1 + dice.Below(4);
  config.checkpoint_interval = dice.Pick(kIntervals);
  config.checkpoint_bytes = dice.Pick(kBytes);
  config.pacer.max_cool_down = 20s;
  config.pacer.breaker_pause = 5s;
  // Bodies are small, and slow: soon, often and in pieces that are not much larger than a buffer.
  config.segments.max_connections = 1 + static_cast<int>(dice.Below(4));
  config.segments.min_bytes = 1;
  config.segments.ramp = Duration::zero();
  config.segments.window = 1ms;
  config.segments.gain_ratio = dice.Uniform();
  config.segments.first_pause = config.segments.ask_again = 10ms;
  config.segments.min_piece_bytes = config.segments.max_piece_bytes = 1 + dice.Below(100'000);
  return config;
}

/// The whole of it: some lives that end badly or well, and a last one in which everything ends.
class Run {
 public:
  Run(Machine& machine, std::uint64_t seed, StoreKind store, bool traced)
      : machine_(machine), scene_(seed, store, traced), checks_(machine, scene_) {
    machine_.Reset();
    config_ = ConfigOf(dice());
    for (int i = 0; i < 2; ++i) {
      const std::string destination = Concat("file:shared/", i);
      if (dice().Chance(0.2)) checks_.PutForeign(destination, "somebody else's");
    }
    machine_.files.Watch([this](const std::string& path) { checks_.Visible(path); });
  }

  RunReport Go() {
    constexpr std::array kLives = {0, 0, 1, 1, 2};
    const int lives = dice().Pick(kLives);
    for (int i = 0; i < lives && holds(); ++i) OneLife();
    if (holds()) LastLife();
    if (holds()) LookAfterwards();
    machine_.files.Watch(nullptr);
    report_.violations = scene_.trace.violations();
    report_.trace = scene_.trace.lines();
    report_.jobs_ended = scene_.ledger.finished();
    report_.steps = scene_.scheduler.steps();
    return std::move(report_);
  }

 private:
  Dice& dice() { return scene_.dice; }
  bool holds() const { return scene_.trace.holds(); }

  std::unique_ptr<Life> Begin() {
    for (int tries = 0; holds(); ++tries) {
      scene_.trace.Note("fetchd starts");
      std::unique_ptr<Life> life = Life::Start(machine_, scene_, config_);
      if (life != nullptr) {
        checks_.Published(life->store().All());
        checks_.Kept(life->store().All());
        return life;
      }
      if (!machine_.power.off() && tries > 50) scene_.trace.Violated("fetchd does not start");
      if (machine_.power.off()) AfterTheCrash();
    }
    return nullptr;
  }

  void OneLife() {
    const SteadyTime until = scene_.clock.Now() + dice().Between(1ms, Duration(10s));
    const bool at_write = dice().Chance(0.6);
    if (at_write) machine_.power.CrashAtWrite(1 + dice().Below(60));
    if (const std::unique_ptr<Life> life = Begin()) Live(*life, until);
    if (machine_.power.off()) AfterTheCrash();
    machine_.power.On();
  }

  void Live(Life& life, SteadyTime until) {
    Callers callers(scene_, checks_, life, dice().Between(1, kActions), kSpan);
    while (holds() && !machine_.power.off() && scene_.clock.Now() < until) {
      scene_.scheduler.Step();
      LookAt(life);
    }
    const bool drains = holds() && !machine_.power.off() && dice().Chance(0.4);
    if (drains) {
      Drain(life, callers);
    } else {
      Crash(life, callers);
    }
  }

  void LookAt(Life& life) {
    if (dice().Chance(0.05)) checks_.Kept(life.store().All());
  }

  void Drain(Life& life, Callers& callers) {
    ++report_.drains;
    const Duration grace = dice().Between(0ms, Duration(5s));
    scene_.trace.Note("SIGTERM");
    life.engine().Drain(scene_.clock.Now() + grace);
    callers.Join();
  }

  void Crash(Life& life, Callers& callers) {
    machine_.power.Off();
    scene_.trace.Note("the process dies");
    life.engine().Drain(scene_.clock.Now());
    callers.Join();
  }

  // The caller's life has gone.
  void AfterTheCrash() {
    ++report_.crashes;
    if (dice().Chance(0.5)) {
      scene_.trace.Note("and the machine with it");
      machine_.database.LosePower(dice());
      machine_.files.LosePower(dice());
    }
    machine_.power.On();
  }

  void LastLife() {
    std::unique_ptr<Life> life = Begin();
    if (life == nullptr) return;
    Callers callers(scene_, checks_, *life, dice().Between(1, kActions), kSpan);
    scene_.scheduler.Run(callers.Submit()).IgnoreError();
    RunFor(*life, dice().Between(1s, kSpan));
    callers.Join();
    scene_.Calm(machine_);
    life->store().Calm();
    scene_.clock.SetWall(scene_.clock.TrueWall());
    const SteadyTime bound = scene_.clock.Now() + kBound;
    while (holds() && !AllEnded()) {
      // Again and again: a run that was told to pause may only now get to it.
      if (AnyPaused()) scene_.scheduler.Run(callers.ResumeAll()).IgnoreError();
      scene_.scheduler.Step();
      LookAt(*life);
      if (scene_.clock.Now() > bound) NameTheLate(*life);
    }
    const SteadyTime rested = scene_.clock.Now() + kToRest;
    while (life->engine().Stats().transfers_in_use > 0 && scene_.clock.Now() < rested) {
      scene_.scheduler.Step();
    }
    scene_.scheduler.Settle();
    if (holds()) checks_.AtRest(*life);
    life->engine().Drain(scene_.clock.Now());
  }

  void RunFor(Life& life, Duration time) {
    const SteadyTime until = scene_.clock.Now() + time;
    while (holds() && scene_.clock.Now() < until) {
      scene_.scheduler.Step();
      LookAt(life);
    }
  }

  bool AllEnded() const {
    return std::ranges::all_of(scene_.ledger.jobs(), [](const auto& entry) {
      return jobs::IsTerminal(entry.second.state);
    });
  }

  bool AnyPaused() const {
    return std::ranges::any_of(scene_.ledger.jobs(), [](const auto& entry) {
      return entry.second.state == jobs::State::kPaused;
    });
  }

  void NameTheLate(Life& life) {
    for (const auto& [id, job] : scene_.ledger.jobs()) {
      if (jobs::IsTerminal(job.state)) continue;
      const auto wait = life.engine().WaitOf(job);
      scene_.trace.Violated(id.str(), " is still ", jobs::StateName(job.state), ": ",
                            wait ? wait->explanation : "it runs");
    }
  }

  // One more start, whose sweep finds what others left behind.
  void LookAfterwards() {
    const std::unique_ptr<Life> life = Begin();
    if (life == nullptr) return;
    scene_.scheduler.Settle();
    checks_.NoTemporaryFiles();
    for (const auto& [id, job] : life->store().All()) {
      checks_.Ended(job, life->store().AttemptsNow(id));
    }
    life->engine().Drain(scene_.clock.Now());
  }

  Machine& machine_;
  Scene scene_;
  Checks checks_;
  fetch::EngineConfig config_;
  RunReport report_;
};

}  // namespace

RunReport RunSeed(Machine& machine, std::uint64_t seed, StoreKind store, bool traced) {
  return Run(machine, seed, store, traced).Go();
}

}  // namespace fetchd::simulation
