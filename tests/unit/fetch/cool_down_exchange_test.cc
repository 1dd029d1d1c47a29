#include "fetch/cool_down_exchange.h"

#include <gtest/gtest.h>

#include <boost/asio/io_context.hpp>

#include "fetch/shared_origins.h"
#include "runtime/task_group.h"
#include "support/manual_clock.h"
#include "support/memory_allotments.h"

namespace fetchd::fetch {
namespace {

using namespace std::chrono_literals;
using testing::MemoryAllotments;

class CoolDownExchangeTest : public ::testing::Test {
 protected:
  struct Process {
    Process(asio::any_io_executor executor, Clock& clock, MemoryAllotments::Door& its_door)
        : door(its_door),
          allotments(executor, clock, door),
          exchange(executor, clock, door, {}),
          promised(allotments),
          shares(allotments, promised, exchange),
          pacer(clock, {.shares = &shares}) {
      exchange.Serve(pacer);
      door.OnNews([this] { exchange.News(); });
    }
    MemoryAllotments::Door& door;
    Allotments allotments;
    CoolDownExchange exchange;
    PromisedSlots promised;
    SharedOrigins shares;
    OriginPacer pacer;
  };

  CoolDownExchangeTest() {
    for (Process* process : {&here_, &there_}) tasks_.Spawn("exchange", process->exchange.Run());
    Pass(100ms);
  }
  ~CoolDownExchangeTest() override {
    for (Process* process : {&here_, &there_}) process->exchange.Stop();
    Pass(100ms);
    EXPECT_EQ(tasks_.size(), 0u);
  }
  void Pass(Duration time) {
    for (Duration passed{}; passed < time; passed += 10ms) {
      clock_.Advance(10ms);
      io_.restart();
      io_.poll();
    }
  }
  void AskForTime(Process& process, Duration time) {
    process.pacer.Begin(origin_, false)
        .End({.kind = OriginOutcome::Kind::kPushback, .cool_down = time});
  }
  Hold HoldAt(Process& process) { return process.pacer.StateOf(origin_).hold; }

  const Origin origin_{"http", "a.test", 80};
  testing::ManualClock clock_;
  asio::io_context io_;
  MemoryAllotments table_{clock_};
  Process here_{io_.get_executor(), clock_, table_.AddReplica(1h)};
  Process there_{io_.get_executor(), clock_, table_.AddReplica(1h)};
  runtime::TaskGroup tasks_{io_.get_executor()};
};

TEST_F(CoolDownExchangeTest, WhatOneIsAskedForAllDo) {
  AskForTime(here_, 30s);
  Pass(50ms);

  EXPECT_EQ(HoldAt(there_), Hold::kCoolDown);
  EXPECT_EQ(HoldAt(here_), Hold::kCoolDown);
  Pass(30s);
  EXPECT_EQ(HoldAt(there_), Hold::kNone);
  EXPECT_EQ(there_.pacer.StateOf(origin_).cool_downs, 0u) << "it was not asked";
}

TEST_F(CoolDownExchangeTest, NewsThatAreLostOnlyDelay) {
  there_.door.OnNews(nullptr);
  AskForTime(here_, 30s);

  Pass(CoolDownExchange::kRound + 50ms);

  EXPECT_EQ(HoldAt(there_), Hold::kCoolDown);
}

TEST_F(CoolDownExchangeTest, ACircuitThatWorksFromHereIsTakenOverOnceOnly) {
  for (int i = 0; i < 5; ++i) {
    here_.pacer.Begin(origin_, false).End({.kind = OriginOutcome::Kind::kFailed});
  }
  Pass(50ms);
  EXPECT_EQ(there_.pacer.RoomFor(origin_, 100).transfers, 1u) << "a probe";
  there_.pacer.Begin(origin_, false).End({.kind = OriginOutcome::Kind::kAnswered});

  Pass(2 * CoolDownExchange::kRound);

  EXPECT_GT(there_.pacer.RoomFor(origin_, 100).transfers, 1u);
  EXPECT_EQ(HoldAt(here_), Hold::kCircuitOpen);
}

TEST_F(CoolDownExchangeTest, WithoutTheStoreEachHasItsOwnAndTellsLater) {
  here_.door.away = true;
  AskForTime(here_, 30s);
  Pass(5s);
  EXPECT_EQ(HoldAt(here_), Hold::kCoolDown);
  EXPECT_EQ(HoldAt(there_), Hold::kNone);

  here_.door.away = false;
  Pass(CoolDownExchange::kRound + 50ms);

  EXPECT_EQ(HoldAt(there_), Hold::kCoolDown);
  EXPECT_LE(*there_.pacer.StateOf(origin_).held_for, 25s);
}

}  // namespace
}  // namespace fetchd::fetch
