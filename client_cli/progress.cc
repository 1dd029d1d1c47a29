#include "cli/progress.h"

#include <algorithm>
#include <ostream>

#include "base/strings.h"
#include "cli/values.h"

namespace fetchd::cli {
namespace {

constexpr std::size_t kLabelColumns = 32;
constexpr std::size_t kBarColumns = 20;

std::string Padded(std::string text, std::size_t columns) {
  if (text.size() > columns) text = Concat(text.substr(0, columns - 3), "...");
  text.append(columns - text.size(), ' ');
  return text;
}

std::string Gauge(std::uint64_t received, std::uint64_t total) {
  const double part = std::min(
      1.0, static_cast<double>(received) / static_cast<double>(std::max<std::uint64_t>(total, 1)));
  const auto filled = static_cast<std::size_t>(part * kBarColumns);
  std::string gauge(filled, '=');
  if (filled < kBarColumns) gauge += '>';
  gauge.append(kBarColumns - gauge.size(), ' ');
  return Concat("[", gauge, "] ", static_cast<std::uint64_t>(part * 100), "%");
}

}  // namespace

std::string RenderBar(const BarState& bar, int width) {
  std::string line = Padded(Printable(bar.label), kLabelColumns) + "  ";
  if (!bar.note.empty()) {
    line += bar.note;
  } else if (bar.total_bytes) {
    line += Concat(Gauge(bar.received_bytes, *bar.total_bytes), "  ",
                   FormatBytes(bar.received_bytes), " of ", FormatBytes(*bar.total_bytes));
  } else {
    line += FormatBytes(bar.received_bytes);
  }
  if (bar.note.empty() && bar.rate_bytes_per_sec >= 1) {
    line += Concat("  ", FormatBytes(static_cast<std::uint64_t>(bar.rate_bytes_per_sec)), "/s");
  }
  if (bar.note.empty() && bar.eta) line += Concat("  ", FormatDuration(*bar.eta));
  return line.substr(0, static_cast<std::size_t>(std::max(width - 1, 0)));
}

ProgressBar::ProgressBar(Console& console, std::string label)
    : console_(console),
      in_place_(console.err_is_terminal),
      began_(Clock::now()),
      drawn_at_(began_) {
  bar_.label = std::move(label);
}

ProgressBar::~ProgressBar() {
  if (!drawn_ || !in_place_) return;
  Draw();
  console_.err << '\n' << std::flush;
}

void ProgressBar::Update(std::uint64_t received_bytes, std::optional<std::uint64_t> total_bytes) {
  if (console_.quiet) return;
  if (!first_bytes_) first_bytes_ = received_bytes;
  bar_.received_bytes = received_bytes;
  bar_.total_bytes = total_bytes;
  const auto now = Clock::now();
  const bool at_once = in_place_ && !drawn_;
  if (!at_once && now - drawn_at_ < (in_place_ ? kRedrawInterval : console_.line_interval)) return;
  const double seconds = std::chrono::duration<double>(now - began_).count();
  if (seconds > 0.2) {
    bar_.rate_bytes_per_sec = static_cast<double>(received_bytes - *first_bytes_) / seconds;
  }
  bar_.eta.reset();
  if (total_bytes && *total_bytes > received_bytes && bar_.rate_bytes_per_sec >= 1) {
    const double left = static_cast<double>(*total_bytes - received_bytes);
    bar_.eta = std::chrono::seconds(static_cast<std::int64_t>(left / bar_.rate_bytes_per_sec));
  }
  drawn_at_ = now;
  Draw();
}

void ProgressBar::Draw() {
  drawn_ = true;
  if (!in_place_) return console_.Note(RenderBar(bar_, console_.width));
  console_.err << "\r\x1b[K" << RenderBar(bar_, console_.width) << std::flush;
}

}  // namespace fetchd::cli
