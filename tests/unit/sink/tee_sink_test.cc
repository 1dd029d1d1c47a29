#include "sink/tee_sink.h"

#include <cstring>

#include "unit/sink/sink_fixture.h"

namespace fetchd::sink {
namespace {

/// Keeps what it is given, and fails where it is told to.
class ScriptedSink final : public Sink {
 public:
  struct State {
    std::string bytes;
    std::string published;
    std::uint64_t kept = 0;
    int restarts = 0, aborts = 0;
    bool can_write_ahead = true, can_read_back = true, has_room = true;
    std::string ahead, held;
    absl::Status open, write, checkpoint, commit, write_ahead, advance;
  };
  explicit ScriptedSink(State& state) : state_(state) {}

  Task<absl::StatusOr<std::uint64_t>> Open(std::uint64_t resume_bytes) override {
    CO_RETURN_IF_ERROR(state_.open);
    if (state_.kept < resume_bytes) state_.bytes.clear();
    co_return state_.kept >= resume_bytes ? resume_bytes : 0;
  }
  Task<absl::Status> Restart() override {
    ++state_.restarts;
    state_.bytes.clear();
    co_return absl::OkStatus();
  }
  Task<absl::StatusOr<std::size_t>> ReadBack(std::uint64_t offset,
                                             std::span<std::byte> out) override {
    const std::size_t size = std::min(out.size(), state_.bytes.size() - offset);
    std::memcpy(out.data(), state_.bytes.data() + offset, size);
    co_return size;
  }
  Task<absl::Status> Write(std::span<const std::byte> bytes) override {
    CO_RETURN_IF_ERROR(state_.write);
    state_.bytes.append(reinterpret_cast<const char*>(bytes.data()), bytes.size());
    co_return absl::OkStatus();
  }
  bool CanReadBack() const override { return state_.can_read_back; }
  bool CanWriteAhead() const override { return state_.can_write_ahead; }
  bool TryMakeRoom(std::uint64_t) override { return state_.has_room; }
  std::span<const std::byte> Held(std::uint64_t) const override {
    return std::as_bytes(std::span(state_.held));
  }
  /// Right behind what is there, in this test.
  Task<absl::Status> WriteAhead(std::uint64_t, std::span<const std::byte> bytes) override {
    CO_RETURN_IF_ERROR(state_.write_ahead);
    state_.ahead.append(reinterpret_cast<const char*>(bytes.data()), bytes.size());
    co_return absl::OkStatus();
  }
  Task<absl::Status> Advance(std::uint64_t bytes) override {
    CO_RETURN_IF_ERROR(state_.advance);
    state_.bytes += state_.ahead.substr(0, bytes);
    co_return absl::OkStatus();
  }
  Task<absl::StatusOr<std::uint64_t>> Checkpoint() override {
    CO_RETURN_IF_ERROR(state_.checkpoint);
    co_return state_.bytes.size();
  }
  Task<absl::StatusOr<Receipt>> Commit() override {
    CO_RETURN_IF_ERROR(state_.commit);
    state_.published = state_.bytes;
    co_return Receipt{"scripted:", state_.bytes.size()};
  }
  Task<absl::Status> Abort() override {
    ++state_.aborts;
    state_.bytes.clear();
    co_return absl::OkStatus();
  }

 private:
  State& state_;
};

class TeeSinkTest : public SinkTest {
 protected:
  std::unique_ptr<TeeSink> NewSink() {
    std::vector<std::unique_ptr<Sink>> sinks;
    sinks.push_back(std::make_unique<ScriptedSink>(a_));
    sinks.push_back(std::make_unique<ScriptedSink>(b_));
    return std::make_unique<TeeSink>(std::move(sinks));
  }

  ScriptedSink::State a_, b_;
};

TEST_F(TeeSinkTest, EachGetsTheSameBytes) {
  const auto sink = NewSink();
  ASSERT_EQ(*Await(sink->Open(0)), 0u);
  ASSERT_TRUE(Await(sink->Write(Bytes("hello "))).ok());
  ASSERT_TRUE(Await(sink->Write(Bytes("world"))).ok());

  const auto receipt = Await(sink->Commit());

  EXPECT_EQ(receipt->size_bytes, 11u);
  EXPECT_EQ(a_.published, "hello world");
  EXPECT_EQ(b_.published, "hello world");
  EXPECT_TRUE(sink->Outcomes()[0].ok());
  EXPECT_TRUE(sink->Outcomes()[1].ok());
}

struct FailingStep {
  const char* name;
  absl::Status ScriptedSink::State::* step;
};
void PrintTo(const FailingStep& step, std::ostream* out) { *out << step.name; }

class FailingBranchTest : public TeeSinkTest, public ::testing::WithParamInterface<FailingStep> {
 protected:
  absl::Status Run(TeeSink& sink) {
    RETURN_IF_ERROR(Await(sink.Open(0)).status());
    RETURN_IF_ERROR(Await(sink.Write(Bytes("bo"))));
    RETURN_IF_ERROR(Await(sink.WriteAhead(2, Bytes("dy"))));
    RETURN_IF_ERROR(Await(sink.Advance(2)));
    RETURN_IF_ERROR(Await(sink.Checkpoint()).status());
    return Await(sink.Commit()).status();
  }
};

TEST_P(FailingBranchTest, IsAbortedAndTheOtherGoesOn) {
  a_.*GetParam().step = absl::ResourceExhaustedError("disk full");
  const auto sink = NewSink();

  EXPECT_EQ(Run(*sink), absl::OkStatus());

  EXPECT_EQ(b_.published, "body");
  EXPECT_EQ(a_.published, "");
  EXPECT_EQ(a_.aborts, 1);
  EXPECT_EQ(MessageOf(sink->Outcomes()[0].status()), "disk full");
  EXPECT_TRUE(sink->Outcomes()[1].ok());
}

TEST_P(FailingBranchTest, IsTheEndWhenNoneIsLeft) {
  a_.*GetParam().step = absl::ResourceExhaustedError("disk full");
  b_.*GetParam().step = absl::PermissionDeniedError("not writable");
  const auto sink = NewSink();

  EXPECT_EQ(MessageOf(Run(*sink)), "not writable");
}

TEST_P(FailingBranchTest, ThatMayWorkLaterMakesAllTryAgain) {
  b_.*GetParam().step = absl::UnavailableError("locked");
  const auto sink = NewSink();

  EXPECT_EQ(MessageOf(Run(*sink)), "locked");
  EXPECT_EQ(b_.aborts, 0);
}

INSTANTIATE_TEST_SUITE_P(
    Steps, FailingBranchTest,
    ::testing::Values(FailingStep{"Open", &ScriptedSink::State::open},
                      FailingStep{"Write", &ScriptedSink::State::write},
                      FailingStep{"WriteAhead", &ScriptedSink::State::write_ahead},
                      FailingStep{"Advance", &ScriptedSink::State::advance},
                      FailingStep{"Checkpoint", &ScriptedSink::State::checkpoint},
                      FailingStep{"Commit", &ScriptedSink::State::commit}),
    [](const auto& info) { return info.param.name; });

TEST_F(TeeSinkTest, BytesAreWrittenAheadWhereAllCan) {
  EXPECT_TRUE(NewSink()->CanWriteAhead());
  b_.can_write_ahead = false;
  EXPECT_FALSE(NewSink()->CanWriteAhead());
}

TEST_F(TeeSinkTest, ThereIsRoomWhereAllHaveIt) {
  EXPECT_TRUE(NewSink()->TryMakeRoom(10));
  b_.has_room = false;
  EXPECT_FALSE(NewSink()->TryMakeRoom(10));
}

TEST_F(TeeSinkTest, WhatOneHoldsIsWhatAllHave) {
  EXPECT_EQ(NewSink()->Held(0).size(), 0u);
  b_.held = "held";
  EXPECT_EQ(NewSink()->Held(0).data(), Bytes(b_.held).data());
}

TEST_F(TeeSinkTest, OneThatFailedHoldsUpNobody) {
  b_ = {.has_room = false, .held = "held", .open = absl::ResourceExhaustedError("full")};
  const auto sink = NewSink();
  ASSERT_TRUE(Await(sink->Open(0)).ok());

  EXPECT_TRUE(sink->TryMakeRoom(10));
  EXPECT_EQ(sink->Held(0).size(), 0u);
}

TEST_F(TeeSinkTest, IsReadBackWhereOneCanAndNotWhereNoneIsLeftThatCan) {
  a_ = {.bytes = "0123456789", .kept = 10};
  b_ = {.bytes = "0123456789", .kept = 10, .can_read_back = false};
  const auto sink = NewSink();
  ASSERT_EQ(*Await(sink->Open(10)), 10u);
  EXPECT_TRUE(sink->CanReadBack());
  std::string read(4, ' ');
  EXPECT_EQ(*Await(sink->ReadBack(6, std::as_writable_bytes(std::span(read)))), 4u);

  a_.write = absl::ResourceExhaustedError("disk full");
  ASSERT_TRUE(Await(sink->Write(Bytes("x"))).ok());

  EXPECT_FALSE(sink->CanReadBack());
  EXPECT_TRUE(absl::IsUnimplemented(
      Await(sink->ReadBack(6, std::as_writable_bytes(std::span(read)))).status()));
}

TEST_F(TeeSinkTest, GoesOnWhereAllOfThemAre) {
  a_ = {.bytes = "0123456789", .kept = 10};
  b_ = {.bytes = "0123456789", .kept = 10};
  const auto sink = NewSink();

  EXPECT_EQ(*Await(sink->Open(10)), 10u);
  std::string read(4, ' ');
  EXPECT_EQ(*Await(sink->ReadBack(6, std::as_writable_bytes(std::span(read)))), 4u);
  EXPECT_EQ(read, "6789");
}

TEST_F(TeeSinkTest, BeginsAnewWhereOneHasLost) {
  a_ = {.bytes = "0123456789", .kept = 10};
  const auto sink = NewSink();

  EXPECT_EQ(*Await(sink->Open(10)), 0u);
  EXPECT_EQ(a_.restarts, 1);
  ASSERT_TRUE(Await(sink->Write(Bytes("new"))).ok());
  ASSERT_TRUE(Await(sink->Commit()).ok());
  EXPECT_EQ(a_.published, "new");
  EXPECT_EQ(b_.published, "new");
}

TEST_F(TeeSinkTest, ACheckpointIsWhatAllHave) {
  const auto sink = NewSink();
  ASSERT_TRUE(Await(sink->Open(0)).ok());
  ASSERT_TRUE(Await(sink->Write(Bytes("0123"))).ok());
  a_.bytes = "01";

  EXPECT_EQ(*Await(sink->Checkpoint()), 2u);
}

TEST_F(TeeSinkTest, AbortAndRestartReachAll) {
  const auto sink = NewSink();
  ASSERT_TRUE(Await(sink->Open(0)).ok());
  ASSERT_TRUE(Await(sink->Restart()).ok());
  ASSERT_TRUE(Await(sink->Abort()).ok());

  EXPECT_EQ(a_.restarts + b_.restarts, 2);
  EXPECT_EQ(a_.aborts + b_.aborts, 2);
}

}  // namespace
}  // namespace fetchd::sink
