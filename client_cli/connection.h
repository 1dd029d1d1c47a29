// The channel to the service and the settings that every call shares.
#pragma once

#include <grpcpp/channel.h>
#include <grpcpp/client_context.h>

#include <chrono>
#include <memory>
#include <optional>
#include <random>
#include <string>

#include "cli/config.h"
#include "cli/console.h"
#include "cli/interrupt.h"
#include "fetchd/v1/admin_service.grpc.pb.h"
#include "fetchd/v1/batch_service.grpc.pb.h"
#include "fetchd/v1/fetch_service.grpc.pb.h"
#include "grpc/health/v1/health.grpc.pb.h"

namespace fetchd::cli {

/// Thread-safe. Connects at the first call, not before.
class Connection {
 public:
  Connection(Endpoint endpoint, std::chrono::milliseconds request_timeout);

  v1::FetchService::StubInterface& fetch() { return *fetch_; }
  v1::AdminService::StubInterface& admin() { return *admin_; }
  v1::BatchService::StubInterface& batch() { return *batch_; }
  grpc::health::v1::Health::StubInterface& health() { return *health_; }
  const std::string& server() const { return endpoint_.server; }

  /// A call that begins now: with the token, and cancelled by `interrupt`. Hold it for as long as
  /// the call lasts.
  class Call {
   public:
    Call(const Connection& connection, Interrupt& interrupt,
         std::optional<std::chrono::milliseconds> timeout);
    grpc::ClientContext* context() { return &context_; }

   private:
    grpc::ClientContext context_;
    Interrupt::Scope scope_;
  };
  /// For answers that come at once: ends after --request-timeout.
  Call Unary(Interrupt& interrupt) const { return Call(*this, interrupt, request_timeout_); }
  Call Streaming(Interrupt& interrupt,
                 std::optional<std::chrono::milliseconds> timeout = std::nullopt) const {
    return Call(*this, interrupt, timeout);
  }

 private:
  Endpoint endpoint_;
  std::chrono::milliseconds request_timeout_;
  std::shared_ptr<grpc::Channel> channel_;
  std::unique_ptr<v1::FetchService::StubInterface> fetch_;
  std::unique_ptr<v1::AdminService::StubInterface> admin_;
  std::unique_ptr<v1::BatchService::StubInterface> batch_;
  std::unique_ptr<grpc::health::v1::Health::StubInterface> health_;
};

/// What a command works with.
struct Session {
  Console& console;
  Interrupt& interrupt;
  Connection& connection;

  /// As Console::Report; says "interrupted" after Ctrl-C, and which server is out of reach.
  ExitCode Report(const grpc::Status& status) const;
};

/// Waits between tries: half to all of a ceiling that doubles from 100 ms to 5 s.
class Backoff {
 public:
  /// False when the interrupt came.
  bool Wait(Interrupt& interrupt);
  void Reset() { ceiling_ = kFirst; }

 private:
  static constexpr std::chrono::milliseconds kFirst{100};
  std::chrono::milliseconds ceiling_ = kFirst;
  std::minstd_rand random_{std::random_device{}()};
};

/// "jobs/<id>" for "<id>".
std::string JobName(const std::string& text);

}  // namespace fetchd::cli
