// Object sinks over a store in memory, driven by one event loop.
#pragma once

#include <map>
#include <memory>
#include <string>

#include "sink/object_sink.h"
#include "sink/upload_abort.h"
#include "support/memory_object_store.h"
#include "unit/sink/sink_fixture.h"

namespace fetchd::sink {

/// Remembers the note, as the job store does; may fail.
class Notebook final : public NoteKeeper {
 public:
  Task<absl::Status> Keep(std::string written) override {
    if (before) CO_RETURN_IF_ERROR(before());
    note = std::move(written);
    co_return absl::OkStatus();
  }
  Task<absl::StatusOr<std::vector<std::string>>> OfOthers() override { co_return others; }

  std::string note;
  std::vector<std::string> others;
  std::function<absl::Status()> before;
};

class ObjectSinkTest : public SinkTest {
 protected:
  static constexpr std::uint64_t kPartBytes = 100'000;

  ~ObjectSinkTest() override {
    loop_.restart();
    loop_.run();
    EXPECT_EQ(tasks_.size(), 0U);
  }

  std::unique_ptr<ObjectSink> MakeObject(OverwritePolicy overwrite = OverwritePolicy::kAlways) {
    return std::make_unique<ObjectSink>(ObjectSink::Deps{store_, buffers_, clock_, tasks_, notes_},
                                        ObjectSink::Options{.url = "s3://bucket/key",
                                                            .object = {"bucket", "key"},
                                                            .attributes = {},
                                                            .overwrite = overwrite,
                                                            .part_bytes = kPartBytes,
                                                            .parts_in_flight = 2,
                                                            .note = notes_.note});
  }

  /// A whole transfer, in pieces that are no parts; what was kept before is gone on with.
  absl::Status Transfer(std::string_view body, std::uint64_t resume_bytes = 0,
                        OverwritePolicy overwrite = OverwritePolicy::kAlways,
                        bool known_length = true) {
    const std::unique_ptr<ObjectSink> sink = MakeObject(overwrite);
    absl::Status status = Await(Deliver(*sink, body, resume_bytes, known_length));
    if (!status.ok()) Await(sink->Abort()).IgnoreError();
    return status;
  }

  static Task<absl::Status> Deliver(Sink& sink, std::string_view body, std::uint64_t resume_bytes,
                                    bool known_length) {
    CO_ASSIGN_OR_RETURN(const std::uint64_t kept, co_await sink.Open(resume_bytes));
    BodyFacts facts;
    if (known_length) facts.total_bytes = body.size();
    sink.Describe(facts);
    for (body.remove_prefix(kept); !body.empty();
         body.remove_prefix(std::min(body.size(), kPiece))) {
      CO_RETURN_IF_ERROR(co_await sink.Write(Bytes(body.substr(0, kPiece))));
    }
    const absl::StatusOr<Receipt> receipt = co_await sink.Commit();
    co_return receipt.status();
  }

  static std::string Body(std::size_t size) {
    std::string body(size, '\0');
    std::mt19937 random(static_cast<unsigned>(size));
    for (char& byte : body) byte = static_cast<char>(random());
    return body;
  }
  const std::string& Stored() { return store_.objects["key"].bytes; }
  std::size_t Requests(const std::string& name) const {
    return static_cast<std::size_t>(std::ranges::count(store_.requests, name));
  }

  static constexpr std::size_t kPiece = 70'000;
  testing::MemoryObjectStore store_{clock_};
  runtime::TaskGroup tasks_{loop_.get_executor()};
  Notebook notes_;
};

}  // namespace fetchd::sink
