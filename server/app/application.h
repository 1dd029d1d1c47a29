// The composition root: makes every part, in order, and takes them apart again.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "app/config.h"
#include "base/status.h"

namespace fetchd::app {

/// Owner: main(). Start order: data directory, store, destinations, policies, TLS, HTTP client,
/// stores of objects, engine, gRPC, admin. Stop order: new work is refused, transfers end or are
/// checkpointed, watches end, calls end, uploads stop, connections close, admin (it tells health
/// all the while), threads join.
class Application {
 public:
  /// Whether this process is to end, which it may be told while it starts. Thread-safe.
  using StopAsked = std::function<bool()>;
  /// Serves from here on. The message says what cannot be done, why, and what to do. CANCELLED: it
  /// was in the middle of something that takes long when `stop_asked` said so.
  static absl::StatusOr<std::unique_ptr<Application>> Start(Config config, std::string version,
                                                            const StopAsked& stop_asked = nullptr);
  ~Application();

  const std::string& address() const;  ///< Of the API: "127.0.0.1:7070".
  std::string admin_address() const;   ///< Empty when it is off.

  void RequestStop();  ///< Begins the drain. Thread-safe; later calls change nothing.
  /// Until RequestStop() or the Drain RPC; then drains and stops.
  void Run();

 private:
  struct Parts;
  explicit Application(std::unique_ptr<Parts> parts);
  std::unique_ptr<Parts> parts_;
};

}  // namespace fetchd::app
