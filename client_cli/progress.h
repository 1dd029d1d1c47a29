// Progress on a terminal.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>

#include "cli/console.h"

namespace fetchd::cli {

/// What one bar shows.
struct BarState {
  std::string label;
  std::uint64_t received_bytes = 0;
  std::optional<std::uint64_t> total_bytes;
  double rate_bytes_per_sec = 0;
  std::optional<std::chrono::milliseconds> eta;
  std::string note;  ///< Instead of figures: "QUEUED".
};

/// "label  [=====>    ] 45%  12.0 MiB of 26.5 MiB  3.1 MiB/s  4.2s", at most `width` columns.
std::string RenderBar(const BarState& bar, int width);

/// The bar of one transfer: on a terminal redrawn in place at most ten times a second, elsewhere a
/// line from time to time.
class ProgressBar {
 public:
  ProgressBar(Console& console, std::string label);
  ~ProgressBar();  ///< Leaves the last picture standing.
  ProgressBar(const ProgressBar&) = delete;
  ProgressBar& operator=(const ProgressBar&) = delete;
  void Update(std::uint64_t received_bytes, std::optional<std::uint64_t> total_bytes);

 private:
  using Clock = std::chrono::steady_clock;
  void Draw();
  Console& console_;
  bool in_place_;
  bool drawn_ = false;
  BarState bar_;
  std::optional<std::uint64_t> first_bytes_;  ///< Resumed ones say nothing about the rate.
  Clock::time_point began_;
  Clock::time_point drawn_at_;
};

}  // namespace fetchd::cli
