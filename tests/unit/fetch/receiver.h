// A caller of Fetch that keeps what it gets.
#pragma once

#include <gtest/gtest.h>

#include <string>
#include <utility>

#include "fetch/engine.h"
#include "support/fake_http_client.h"

namespace fetchd::fetch {

class CollectingReceiver final : public StreamReceiver {
 public:
  Task<absl::Status> OnHead(StreamHead given) override {
    head = std::move(given);
    co_return absl::OkStatus();
  }
  Task<absl::Status> OnBytes(std::uint64_t offset, sink::Buffer bytes) override {
    EXPECT_EQ(offset, head.offset + body.size());
    body.append(reinterpret_cast<const char*>(bytes.bytes().data()), bytes.size());
    if (stalls) co_await testing::Forever();
    if (takes > Duration::zero()) co_await clock->SleepFor(takes);
    co_return absl::OkStatus();
  }
  bool stalls = false;  ///< The bytes are taken, and the caller is not ready for more.
  StreamHead head;
  std::string body;
  Duration takes{};  ///< For each chunk, by `clock`.
  Clock* clock = nullptr;
};

}  // namespace fetchd::fetch
