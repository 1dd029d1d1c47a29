// Stores whose other side is a script.
#pragma once

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <deque>
#include <string>
#include <utility>
#include <vector>

#include "base/strings.h"
#include "objstore/cooldown.h"
#include "objstore/object_store.h"
#include "store_loop.h"
#include "support/fake_http_client.h"

namespace fetchd::objstore {

using testing::BodyStep;
using testing::FakeAnswer;

inline FakeAnswer Say(int status, std::string body = "",
                      std::vector<std::pair<std::string, std::string>> headers = {}) {
  FakeAnswer answer;
  answer.status = status;
  answer.content_length = body.size();
  answer.headers = std::move(headers);
  if (!body.empty()) answer.body.push_back(BodyStep::Bytes(std::move(body)));
  return answer;
}

inline FakeAnswer SayError(int status, std::string_view code, std::string_view more = "") {
  return Say(status,
             Concat("<Error><Code>", code, "</Code><Message>Words.</Message>", more, "</Error>"));
}

inline FakeAnswer SayNothing(absl::Status status) {
  FakeAnswer answer;
  answer.error = std::move(status);
  return answer;
}

/// The store's own code, of the Reason.
inline std::string CodeOf(const absl::Status& status) {
  const auto reason = GetReason(status);
  if (!reason) return "";
  for (const auto& [name, value] : reason->metadata) {
    if (name == "code") return value;
  }
  return "";
}

class ScriptedStoreTest : public ::testing::Test {
 protected:
  template <typename T>
  T Run(Task<T> task) {
    return loop_.Run(std::move(task));
  }
  http::BorrowedBytes Bytes(std::string_view text) const {
    return {std::as_bytes(std::span(text))};
  }
  /// "METHOD target" of the n-th request.
  std::string Asked(std::size_t n) const {
    const auto requests = client_.requests();
    return n < requests.size() ? Concat(requests[n].method, ' ', requests[n].url.target())
                               : std::string();
  }
  std::string AskedOf(std::size_t n) const {
    const auto requests = client_.requests();
    return n < requests.size() ? requests[n].url.origin().ToString() : std::string();
  }
  std::size_t asked() const { return client_.requests().size(); }

  double uniform_ = 0.5;
  StoreLoop loop_;
  std::deque<FakeAnswer> answers_;   ///< In order; one behind the last is a failed test.
  std::vector<std::string> bodies_;  ///< Of the requests.
  testing::FakeHttpClient client_{[this](const http::Request& request) {
    std::string body;
    for (const auto& block : request.body) {
      body.append(reinterpret_cast<const char*>(block.data()), block.size());
    }
    bodies_.push_back(std::move(body));
    if (answers_.empty()) {
      ADD_FAILURE() << "asked once more: " << request.method << ' ' << request.url.target();
      return Say(400);
    }
    FakeAnswer answer = std::move(answers_.front());
    answers_.pop_front();
    return answer;
  }};
  Cooldown cooldown_;
};

}  // namespace fetchd::objstore
