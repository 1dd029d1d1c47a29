#include "fetch/segment_controller.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <utility>

#include "base/strings.h"

namespace fetchd::fetch {
namespace {

/// A single one may be a stall of the network.
constexpr int kWeakWindows = 2;

double InSeconds(Duration duration) { return std::chrono::duration<double>(duration).count(); }

/// "20.3 MiB/s"
std::string SpeedText(double bytes_per_sec) {
  constexpr std::array kUnits = {"B/s", "KiB/s", "MiB/s", "GiB/s"};
  std::size_t unit = 0;
  while (bytes_per_sec >= 1024 && unit + 1 < kUnits.size()) {
    bytes_per_sec /= 1024;
    ++unit;
  }
  const auto tenths = std::llround(bytes_per_sec * 10);
  return Concat(tenths / 10, '.', tenths % 10, ' ', std::string_view(kUnits.at(unit)));
}

}  // namespace

SegmentController::SegmentController(const SegmentConfig& config, jobs::SegmentsRecord& record,
                                     SteadyTime now)
    : config_(config),
      record_(record),
      rates_(static_cast<std::size_t>(config.max_connections) + 1),
      pause_(config.first_pause),
      next_try_at_(now),
      window_began_(now) {}

void SegmentController::Note(std::string sentence) {
  auto& notes = record_.notes;
  constexpr auto kFirst = jobs::kFirstSegmentNotes;
  if (notes.size() >= jobs::kMaxSegmentNotes) notes.erase(notes.begin() + kFirst);
  notes.push_back(std::move(sentence));
}

void SegmentController::Measure(SteadyTime now, bool ramp) {
  ramping_ = ramp;
  window_began_ = now;
  window_bytes_ = 0;
}

void SegmentController::Received(std::uint64_t bytes, SteadyTime now) {
  window_bytes_ += bytes;
  const Duration took = now - window_began_;
  if (took < (ramping_ ? config_.ramp : config_.window)) return;
  const auto came = static_cast<double>(window_bytes_);
  const bool measured = !ramping_;
  Measure(now, false);
  // One that is to go still works: what all bring says nothing of either number.
  if (measured && wanted_ >= connections_) Judge(came / InSeconds(took), now);
}

void SegmentController::Judge(double rate, SteadyTime now) {
  if (trial_) return JudgeTrial(rate, now);
  RateOf(connections_) = rate;
  const bool weak = connections_ > 1 && rate < RateOf(connections_ - 1);
  weak_windows_ = weak ? weak_windows_ + 1 : 0;
  if (weak_windows_ >= kWeakWindows) return Drop(rate, now);
  const bool may_try = !stopped_ && connections_ < config_.max_connections && next_try_at_ <= now;
  if (may_try && wanted_ == connections_) wanted_ = connections_ + 1;
}

void SegmentController::JudgeTrial(double rate, SteadyTime now) {
  const double before = RateOf(connections_ - 1);
  if (rate < config_.gain_ratio * before) return Drop(rate, now);
  trial_ = false;
  RateOf(connections_) = rate;
  pause_ = config_.first_pause;
  Note(Concat("added a connection: ", connections_, " bring ", SpeedText(rate), ", ",
              connections_ - 1, " brought ", SpeedText(before)));
  if (!stopped_ && connections_ < config_.max_connections) wanted_ = connections_ + 1;
}

void SegmentController::Drop(double rate, SteadyTime now) {
  trial_ = false;
  weak_windows_ = 0;
  wanted_ = connections_ - 1;
  record_.dropped += 1;
  Note(Concat("dropped a connection: ", connections_, " bring ", SpeedText(rate), ", ", wanted_,
              " brought ", SpeedText(RateOf(wanted_))));
  next_try_at_ = now + pause_;
  pause_ = std::min(pause_ * 2, config_.longest_pause);
}

void SegmentController::Working(int connections, SteadyTime now) {
  if (connections == connections_) return;
  const bool more = connections > connections_;
  if (more) record_.added += connections - connections_;
  trial_ = more && connections > 1;
  // One that went for other reasons is not replaced at once.
  if (!more && wanted_ > connections)
    next_try_at_ = std::max(next_try_at_, now + config_.ask_again);
  connections_ = connections;
  wanted_ = stopped_ ? 1 : std::max(connections, 1);
  weak_windows_ = 0;
  record_.most_connections = std::max(record_.most_connections, connections);
  Measure(now, true);
}

void SegmentController::Refused(SteadyTime now) {
  wanted_ = std::min(wanted_, connections_);
  next_try_at_ = std::max(next_try_at_, now + config_.ask_again);
}

void SegmentController::GaveBack(SteadyTime now) {
  Note(Concat("gave a connection of ", connections_, " back: others wait"));
  next_try_at_ = std::max(next_try_at_, now + config_.ask_again);
}

void SegmentController::Stop(const std::string& why) {
  if (std::exchange(stopped_, true)) return;
  wanted_ = 1;
  trial_ = false;
  Note("read on over one connection: " + why);
}

std::uint64_t SegmentController::piece_bytes() const {
  // Of fewer, as long as these have not been measured.
  int measured = connections_;
  while (measured > 1 && rates_[static_cast<std::size_t>(measured)] == 0) --measured;
  const double rate = rates_[static_cast<std::size_t>(measured)];
  const double bytes = rate / measured * InSeconds(config_.piece_time);
  const auto most = static_cast<double>(config_.max_piece_bytes);
  return std::max(static_cast<std::uint64_t>(std::min(bytes, most)), config_.min_piece_bytes);
}

}  // namespace fetchd::fetch
