// A reader of SegmentedRead: what it has in hand.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "fetch/segmented_read.h"

namespace fetchd::fetch {

struct SegmentedRead::Reader {
  Reader(std::string called, asio::any_io_executor executor,
         std::optional<SpareTransfers::Spare> lent)
      : name(std::move(called)), spare(std::move(lent)), wake(std::move(executor)) {}

  const std::string name;
  std::optional<SpareTransfers::Spare> spare;  ///< Empty: it uses what the job has.
  runtime::TaskHandle task;
  WakeEvent wake;

  Piece* piece = nullptr;
  std::uint64_t reads_to = 0;  ///< Of the piece: where what is being read now may end.
  std::unique_ptr<http::Body> body;
  std::uint64_t body_end = 0;  ///< Of the response, which may be longer than the piece.
  sink::Buffer buffer;
  bool handed_over = false;  ///< `buffer` is the conductor's to store.
  bool answered = false;     ///< The origin has sent it something that is a piece.

  bool ended = false;
  Outcome outcome = Outcome::kDone;
  absl::Status status;
};

}  // namespace fetchd::fetch
