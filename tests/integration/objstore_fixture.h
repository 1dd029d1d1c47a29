// Stores of objects over the real HTTP stack, against real ones.
#pragma once

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "integration/http_stack.h"
#include "objstore/azure_store.h"
#include "objstore/s3_store.h"
#include "objstore/sigv4.h"

namespace fetchd::testing {

/// A client that changes requests on their way, and loses the answer to the first of a method, as a
/// faulty network would.
class TamperingClient final : public http::Client {
 public:
  using Change = std::function<void(http::Request&)>;
  TamperingClient(http::Client& inner, Change change, std::string lose_answer_to)
      : inner_(inner), change_(std::move(change)), lose_answer_to_(std::move(lose_answer_to)) {}
  Task<absl::StatusOr<http::Response>> Send(http::Request request, http::Call call) override {
    if (change_) change_(request);
    const bool lost = request.method == lose_answer_to_;
    auto response = co_await inner_.Send(std::move(request), call);
    if (!lost || !response.ok()) co_return response;
    lose_answer_to_.clear();
    co_return absl::UnavailableError("the connection was lost");
  }

 private:
  http::Client& inner_;
  const Change change_;
  std::string lose_answer_to_;
};

/// What is right but for its wall clock.
class SkewedClock final : public Clock {
 public:
  explicit SkewedClock(std::chrono::seconds skew) : skew_(skew) {}
  SteadyTime Now() const override { return real_.Now(); }
  WallTime WallNow() const override { return real_.WallNow() + skew_; }
  Task<void> SleepUntil(SteadyTime at) override { return real_.SleepUntil(at); }

 private:
  const std::chrono::seconds skew_;
  RealClock real_;
};

/// What goes wrong on the way to a store.
struct Mishaps {
  TamperingClient::Change change = nullptr;
  std::string lose_answer_to = {};
  std::chrono::seconds skew{0};
};

/// One shard with one store on it, whose calls block.
class StoreShard {
 public:
  template <typename T>
  T Run(Task<T> task) {
    return runtime::RunBlocking(stack_.runtime().shard(0).executor(), std::move(task));
  }
  /// The whole body of a GET.
  absl::StatusOr<std::string> Read(objstore::ObjectName object, std::uint64_t offset = 0,
                                   std::string if_match = "");

 protected:
  StoreShard(const std::string& ca_file, const Mishaps& mishaps);
  ~StoreShard() = default;
  virtual objstore::ObjectStore& AnyStore() = 0;
  /// What a store does not do: a request that makes a bucket, but for the headers that sign it.
  static http::Request RequestToMake(const Url& bucket);
  /// CHECKs that it was made.
  void Make(http::Request request);

  HttpStack stack_;
  SkewedClock clock_;
  TamperingClient client_;
  objstore::Cooldown cooldown_;

 private:
  Task<absl::StatusOr<std::string>> ReadOnShard(objstore::ObjectName object, std::uint64_t offset,
                                                std::string if_match);
};

struct StoreOptions {
  std::string endpoint;
  std::string access_key, secret_key;
  std::string session_token = {};  ///< Of keys that expire.
  objstore::S3Config config = {};
  std::string ca_file = {};
  Mishaps mishaps = {};
};

class StoreSession final : public StoreShard {
 public:
  explicit StoreSession(StoreOptions options);

  objstore::S3Store& store() { return store_; }
  void MakeBucket(const std::string& bucket);

 private:
  objstore::ObjectStore& AnyStore() override { return store_; }
  static objstore::S3Config ConfigOf(const StoreOptions& options);

  const objstore::S3Config config_;
  const objstore::SigningKey key_;
  objstore::StaticCredentials credentials_;
  objstore::S3Store store_;
};

struct AzureOptions {
  std::string endpoint;
  objstore::AzureAccess access;
  bool content_md5 = false;
  std::string ca_file = {};
  Mishaps mishaps = {};
};

class AzureSession final : public StoreShard {
 public:
  explicit AzureSession(AzureOptions options);

  objstore::AzureStore& store() { return store_; }
  /// With the account's key.
  void MakeContainer(const std::string& container);

 private:
  objstore::ObjectStore& AnyStore() override { return store_; }
  static objstore::AzureConfig ConfigOf(const AzureOptions& options);

  const objstore::AzureConfig config_;
  const objstore::AzureAccess access_;
  objstore::AzureStore store_;
};

/// Awkward ones: what each names must arrive as it is.
std::vector<std::string> AwkwardKeys();

/// What a faulty network does to a body.
void BecomeAnother(http::Request& request);
/// The store's own code, of the Reason.
std::string CodeOf(const absl::Status& status);

http::BorrowedBytes Lend(const std::string& text);

}  // namespace fetchd::testing
