// TopModel, second half: the screen.
#include <google/protobuf/util/time_util.h>

#include <algorithm>
#include <array>
#include <cstdio>
#include <limits>
#include <utility>

#include "base/strings.h"
#include "cli/cells.h"
#include "cli/top_model.h"
#include "cli/top_rows.h"
#include "cli/values.h"

namespace fetchd::cli {
namespace {

using Style = TopLine::Style;

constexpr char kFooterKeys[] =
    "q quit  Tab jobs/origins  j/k move  c cancel  p pause  s sort  / filter  ? help";

std::string WithTenths(double value) {
  std::array<char, 32> text{};
  std::snprintf(text.data(), text.size(), "%.1f", value);
  return text.data();
}

std::string DialsText(const v1::Status& status) {
  const v1::Status::Dials& dials = status.dials();
  return Concat("dials  reuse ", WithTenths(dials.connection_reuse_ratio() * 100), "%  pool wait ",
                dials.has_pool_wait_p99() ? FormatDuration(dials.pool_wait_p99()) : ">1m",
                "  peak ", dials.peak_in_flight(), '/', dials.limit(), "  retries ",
                WithTenths(dials.retry_ratio() * 100), "%  lag ", FormatDuration(dials.loop_lag()));
}

std::string RatesText(const std::optional<TopRates>& rates) {
  if (!rates) return "rates  -";
  return Concat("rates  in ", ByteRateText(rates->received_bytes), "  requests ",
                WithTenths(rates->requests), "/s  done ", WithTenths(rates->succeeded),
                "/s  failed ", WithTenths(rates->failed), "/s  commits ",
                WithTenths(rates->commits), "/s");
}

std::string JobsText(const v1::Status& status) {
  const std::uint64_t queue =
      JobsIn(status, "QUEUED") + JobsIn(status, "WAITING") + JobsIn(status, "INTERRUPTED");
  return Concat("jobs   running ", status.transfers().in_use(), '/', status.transfers().limit(),
                "  queue ", queue, "  paused ", JobsIn(status, "PAUSED"), "  done ",
                JobsIn(status, "SUCCEEDED"), "  failed ", JobsIn(status, "FAILED"), "  cancelled ",
                JobsIn(status, "CANCELLED"));
}

/// Of jobs that the list has none of: so many there are besides.
std::uint64_t JobsLeftOut(const TopSample& sample) {
  std::uint64_t all = 0;
  for (const char* state : {"RUNNING", "QUEUED", "WAITING", "INTERRUPTED", "PAUSED"}) {
    all += JobsIn(sample.status, state);
  }
  return all > sample.jobs.size() ? all - sample.jobs.size() : 0;
}

TopLine ScreenLine(const std::string& text, std::size_t width, Style style = Style::kPlain) {
  return {LeftCell(text, width), style};
}

}  // namespace

std::vector<TopLine> TopModel::Head(std::size_t width) const {
  std::string title = Concat("fetchctl top  ", server_);
  if (!sample_) return {ScreenLine(title, width, Style::kTitle)};
  const v1::Status& status = sample_->status;
  const auto up =
      sample_->wall.time_since_epoch() - std::chrono::seconds(status.start_time().seconds());
  title += Concat(
      "  fetchd ", status.version(), "  up ",
      FormatDuration(std::max(std::chrono::duration_cast<Milliseconds>(up), Milliseconds(0))));
  if (status.draining()) title += "  DRAINING";
  return {ScreenLine(title, width, Style::kTitle), ScreenLine(DialsText(status), width),
          ScreenLine(RatesText(rates_), width), ScreenLine(JobsText(status), width)};
}

std::string TopModel::TabsLine(std::size_t rows) const {
  const bool jobs = view_ == View::kJobs;
  std::string text = jobs ? "[Jobs]  Origins " : " Jobs  [Origins]";
  text += Concat("  ", rows, " shown, by ",
                 jobs ? kJobOrders.at(job_order_) : kOriginOrders.at(origin_order_));
  if (jobs && sample_) {
    if (const std::uint64_t more = JobsLeftOut(*sample_); more > 0) {
      text += Concat(", ", more, " more wait");
    }
  }
  if (!filter_.empty()) text += Concat("  filter: ", filter_);
  return text;
}

std::string TopModel::ColumnsLine(std::size_t width) const {
  return view_ == View::kJobs ? JobColumns(width) : OriginColumns(width);
}

TopLine TopModel::Footer(std::size_t width, std::chrono::steady_clock::time_point now) const {
  switch (mode_) {
    case Mode::kFilter:
      return ScreenLine(Concat("filter: ", filter_, "_   (Enter keeps it, Esc clears it)"), width,
                        Style::kAlert);
    case Mode::kConfirm:
      return ScreenLine(Concat("cancel ", asked_job_, "? [y/N]"), width, Style::kAlert);
    case Mode::kHelp:
      return ScreenLine("any key goes back", width, Style::kDim);
    case Mode::kLook:
      break;
  }
  if (failing_since_) {
    const auto since = std::chrono::duration_cast<std::chrono::seconds>(now - *failing_since_);
    return ScreenLine(
        Concat("no answer for ", FormatDuration(Milliseconds(since)), ", trying again: ", error_),
        width, Style::kAlert);
  }
  if (!message_.empty()) return ScreenLine(message_, width, Style::kAlert);
  return ScreenLine(kFooterKeys, width, Style::kDim);
}

std::vector<TopLine> TopModel::Help(std::size_t width) const {
  std::vector<TopLine> lines;
  for (const char* text :
       {"q            quit; Ctrl-C does so too", "Tab          jobs, or origins",
        "j k, arrows  move; PgUp, PgDn, Home, End",
        "c            cancel the job under the bar; asks first",
        "p            pause it, or let it go on", "s            sort by something else",
        "/            show only rows with this text", "",
        "reuse: requests on an open connection; pool wait: 99 of 100 waited no longer;",
        "peak: exchanges at once, of those that may be; lag: the slowest event loop."}) {
    lines.push_back(ScreenLine(text, width));
  }
  return lines;
}

std::vector<TopLine> TopModel::Draw(std::size_t width, std::size_t height,
                                    std::chrono::steady_clock::time_point now) {
  if (width < kLeastWidth || height < kLeastHeight) {
    return {{LeftCell("too small: 80x24 is enough", width), Style::kAlert}};
  }
  std::vector<TopLine> lines = Head(width);
  constexpr std::size_t kAround = 3;  // The tabs, the titles of the columns, the footer.
  page_ = std::max<std::size_t>(
      height > lines.size() + kAround ? height - lines.size() - kAround : 1, 1);
  const std::vector<Row> rows = Rows(width);
  Select(rows);
  lines.push_back(ScreenLine(TabsLine(rows.size()), width));
  lines.push_back(ScreenLine(ColumnsLine(width), width, Style::kHeader));
  if (mode_ == Mode::kHelp) {
    const std::vector<TopLine> help = Help(width);
    const auto shown = std::min(help.size(), page_);
    lines.insert(lines.end(), help.begin(), help.begin() + static_cast<std::ptrdiff_t>(shown));
  } else {
    for (std::size_t i = first_; i < std::min(rows.size(), first_ + page_); ++i) {
      const Style style = i == index_   ? Style::kSelected
                          : rows[i].dim ? Style::kDim
                                        : Style::kPlain;
      lines.push_back(ScreenLine(rows[i].text, width, style));
    }
  }
  while (lines.size() + 1 < height) lines.push_back(ScreenLine("", width));
  lines.push_back(Footer(width, now));
  return lines;
}

std::vector<TopLine> TopModel::DrawOnce(std::size_t width) {
  std::vector<TopLine> lines = Head(width);
  const auto rows = [&] {
    const std::vector<Row> of_view = Rows(width);
    lines.push_back(ScreenLine(TabsLine(of_view.size()), width));
    lines.push_back(ScreenLine(ColumnsLine(width), width, Style::kHeader));
    for (const Row& row : of_view) lines.push_back(ScreenLine(row.text, width));
  };
  rows();
  OnKey(TopKey::kTab);
  rows();
  OnKey(TopKey::kTab);
  return lines;
}

}  // namespace fetchd::cli
