// A process that dies inside a commit, and the power that fails after the next one has begun.
#include <gtest/gtest.h>

#include "simulation/sqlite_disk.h"
#include "store/sqlite_store.h"
#include "support/process.h"
#include "support/store_harness.h"

namespace fetchd::simulation {
namespace {

/// A job database on SqliteDisk; its key is a real file.
class DyingBackend final : public jobs::StoreBackend {
 public:
  DyingBackend() { disk.Reset({{path(), ""}}); }

  absl::StatusOr<std::unique_ptr<jobs::Store>> Open(Clock& clock,
                                                    runtime::BlockingPool& pool) override {
    return store::SqliteStore::Open({path(), folder_.path() / "key"}, clock, pool);
  }

  Power power;
  SqliteDisk disk{power};

 private:
  std::string path() const { return folder_.path() / "jobs.db"; }
  testing::TempFolder folder_;
};

class PowerLossTest : public ::testing::Test {
 protected:
  PowerLossTest() {
    auto backend = std::make_unique<DyingBackend>();
    backend_ = backend.get();
    harness_.emplace(std::move(backend));
  }

  /// The process dies, and another begins.
  void Restart() {
    backend_->power.Off();
    harness_->Close();
    backend_->power.On();
    ASSERT_EQ(harness_->Open(), absl::OkStatus());
  }
  void LosePower(Dice& dice) {
    backend_->power.Off();
    harness_->Close();
    backend_->disk.LosePower(dice);
    backend_->power.On();
    ASSERT_EQ(harness_->Open(), absl::OkStatus());
  }
  jobs::State StateOf(const JobId& id) { return harness_->Await(harness_->store().Get(id))->state; }

  DyingBackend* backend_;
  std::optional<jobs::StoreHarness> harness_;
};

TEST_F(PowerLossTest, WhatIsShownAfterARestartOutlivesThePower) {
  ASSERT_EQ(harness_->Open(), absl::OkStatus());
  Dice dice(20261128);
  int shown_after_death = 0;
  bool died = true;
  for (std::uint64_t write = 1; died; ++write) {
    for (int losses = 0; losses < 4; ++losses) {
      const JobId id = harness_->Create(harness_->NewJob()).id;
      backend_->power.CrashAtWrite(write);
      const auto cancelled = harness_->Await(harness_->store().Update(id, jobs::CancelRequested{}));
      died = backend_->power.off();
      ASSERT_NO_FATAL_FAILURE(Restart());
      const jobs::State shown = StateOf(id);
      if (died && shown == jobs::State::kCancelled) ++shown_after_death;
      if (cancelled.ok()) EXPECT_EQ(shown, jobs::State::kCancelled) << "at write " << write;

      ASSERT_NO_FATAL_FAILURE(LosePower(dice));

      ASSERT_EQ(StateOf(id), shown) << "the process died at write " << write;
    }
  }
  EXPECT_GT(shown_after_death, 0) << "else this test sees nothing";
}

}  // namespace
}  // namespace fetchd::simulation
