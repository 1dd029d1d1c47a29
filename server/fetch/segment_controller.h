// Over how many connections a large body is read: as many as make it faster. Decides, never sleeps.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/time.h"
#include "jobs/job.h"

namespace fetchd::fetch {

struct SegmentConfig {
  int max_connections = 4;  ///< For one body; 1 = bodies are never read in pieces.
  /// Of a body of which less is left no further connection is tried.
  std::uint64_t min_bytes = std::uint64_t{64} << 20;
  /// After each change so long is not measured: connections open, windows of TCP grow.
  Duration ramp = std::chrono::seconds(1);
  Duration window = std::chrono::seconds(2);  ///< Over which a rate is measured.
  /// One more must bring so much of what came without it. Rates over two seconds of one connection
  /// differ by some per cent from each other; a share of a saturated line brings nothing.
  double gain_ratio = 1.15;
  /// Until one more is tried again after one that brought nothing; doubles up to the longest.
  Duration first_pause = std::chrono::seconds(30);
  Duration longest_pause = std::chrono::minutes(16);
  /// Until one more is asked for again when none was to be had: see SpareTransfers.
  Duration ask_again = std::chrono::seconds(5);
  /// A piece takes one connection so long, within these sizes.
  Duration piece_time = std::chrono::seconds(4);
  std::uint64_t min_piece_bytes = std::uint64_t{8} << 20;
  std::uint64_t max_piece_bytes = std::uint64_t{64} << 20;
};

/// Begins with one connection, measures, and tries one more for as long as each brings a gain. Time
/// is what its callers say. Lives on one shard, for one attempt.
class SegmentController {
 public:
  /// `record` is kept up to date. Both outlive the controller.
  SegmentController(const SegmentConfig& config, jobs::SegmentsRecord& record, SteadyTime now);

  /// So many bytes of the body have come, over all connections.
  void Received(std::uint64_t bytes, SteadyTime now);
  /// So many connections should read.
  int wanted() const { return wanted_; }
  /// So many connections bring bytes from now on.
  void Working(int connections, SteadyTime now);
  /// The one more that is wanted cannot be had now, for reasons of our own.
  void Refused(SteadyTime now);
  /// One was given back, for others wait for it.
  void GaveBack(SteadyTime now);
  /// For the rest of this attempt one is enough. `why` completes "read on over one connection: ".
  void Stop(const std::string& why);
  /// How large the next piece should be.
  std::uint64_t piece_bytes() const;

 private:
  void Measure(SteadyTime now, bool ramp);
  void Judge(double rate, SteadyTime now);
  void JudgeTrial(double rate, SteadyTime now);
  void Drop(double rate, SteadyTime now);
  double& RateOf(int connections) { return rates_[static_cast<std::size_t>(connections)]; }
  void Note(std::string sentence);

  const SegmentConfig& config_;
  jobs::SegmentsRecord& record_;
  int connections_ = 1;
  int wanted_ = 1;
  bool trial_ = false;  ///< The last of the connections has not shown yet what it brings.
  bool stopped_ = false;
  int weak_windows_ = 0;       ///< In a row, in which the last brought nothing.
  std::vector<double> rates_;  ///< Bytes a second as last measured, by connections; 0 = not yet.
  Duration pause_;
  SteadyTime next_try_at_;
  bool ramping_ = true;
  SteadyTime window_began_;
  std::uint64_t window_bytes_ = 0;
};

}  // namespace fetchd::fetch
