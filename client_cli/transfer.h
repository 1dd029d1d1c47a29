// One body from the service to this machine, over as many streams as it takes.
#pragma once

#include <grpcpp/support/status.h>

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "cli/body_file.h"
#include "cli/connection.h"
#include "cli/progress.h"

namespace fetchd::cli {

/// One stream of a body, from an offset on.
class BodyStream {
 public:
  struct Chunk {
    std::uint64_t offset = 0;
    std::string_view data;  ///< Valid until the next Read().
  };

  virtual ~BodyStream() = default;
  /// False when the stream ended: Finish() says how. A chunk may be empty.
  virtual bool Read(Chunk& chunk) = 0;
  virtual grpc::Status Finish() = 0;
  /// Facts of the whole body, as far as the stream has told.
  virtual std::optional<std::uint64_t> total_bytes() const = 0;
  /// Which version of the body this is (its validators); empty: unknown.
  virtual std::string version() const = 0;
  /// false: there is nothing to fetch, and what is there stays as it is.
  virtual bool has_body() const { return true; }
};

struct TransferOptions {
  std::vector<std::string> digests;  ///< Must hold for the whole body, in SRI form.
  std::string label;                 ///< Of the progress bar.
  bool resumable = true;             ///< false: a stream begins at 0 only.
  int max_reconnects = 10;           ///< In a row without a byte.
};

/// Pulls the body into `file` and commits it. When the service goes away in the middle it
/// reconnects and goes on at the next byte, if the body is resumable and still the same. Digests
/// are checked here too: the service checks them only for streams from the first byte. Fails as the
/// last stream did; DATA_LOSS for a wrong size or digest, ABORTED when the body changed (the
/// partial file is discarded then).
grpc::Status Transfer(Session& session,
                      const std::function<std::unique_ptr<BodyStream>(std::uint64_t offset)>& open,
                      BodyFile& file, const TransferOptions& options);

}  // namespace fetchd::cli
