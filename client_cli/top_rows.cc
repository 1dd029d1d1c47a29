#include "cli/top_rows.h"

#include <algorithm>
#include <map>
#include <tuple>

#include "base/strings.h"
#include "cli/cells.h"
#include "cli/print.h"
#include "cli/values.h"

namespace fetchd::cli {
namespace {

constexpr std::size_t kJobNameColumns = 32;
/// From which on a job's name has a column of its own.
constexpr std::size_t kWide = 120;

double PartDone(const v1::Job& job) {
  const v1::Progress& progress = job.progress();
  if (!progress.has_total_bytes() || progress.total_bytes() == 0) return 0;
  return static_cast<double>(progress.received_bytes()) /
         static_cast<double>(progress.total_bytes());
}

std::string UrlOf(const v1::Job& job) {
  return job.spec().urls().empty() ? std::string() : ShownUrl(job.spec().urls(0));
}

/// A column and its width, a space behind it.
class RowText {
 public:
  void Left(std::string_view text, std::size_t columns) { Add(LeftCell(text, columns), columns); }
  void Right(std::string_view text, std::size_t columns) { Add(RightCell(text, columns), columns); }
  /// What is left of `width`.
  std::string Rest(std::string_view text, std::size_t width) && {
    text_ += LeftCell(text, width > columns_ ? width - columns_ : 0);
    return columns_ <= width ? std::move(text_) : LeftCell(text_, width);
  }

 private:
  void Add(std::string cell, std::size_t columns) {
    text_ += std::move(cell) + ' ';
    columns_ += columns + 1;
  }
  std::string text_;
  std::size_t columns_ = 0;
};

struct JobCells {
  std::string state, done, size, rate, eta, name, url;
};

std::string Row(const JobCells& cells, std::size_t width) {
  RowText row;
  row.Left(cells.state, 11);
  row.Right(cells.done, 5);
  row.Right(cells.size, 10);
  row.Right(cells.rate, 12);
  row.Right(cells.eta, 7);
  if (width >= kWide) row.Left(cells.name, kJobNameColumns);
  return std::move(row).Rest(cells.url, width);
}

struct OriginCells {
  std::string transfers, in_flight, limit, speed, hold, pushbacks, name;
};

std::string Row(const OriginCells& cells, std::size_t width) {
  RowText row;
  row.Right(cells.transfers, 9);
  row.Right(cells.in_flight, 9);
  row.Right(cells.limit, 5);
  row.Right(cells.speed, 12);
  row.Left(cells.hold, 16);
  row.Right(cells.pushbacks, 4);
  return std::move(row).Rest(cells.name, width);
}

std::string HoldCell(const v1::OriginState& state) {
  if (state.hold() == v1::OriginState::HOLD_UNSPECIFIED ||
      state.hold() == v1::OriginState::HOLD_NONE) {
    return "-";
  }
  std::string text = v1::OriginState::Hold_Name(state.hold());
  if (text.starts_with("HOLD_")) text = AsciiLower(text.substr(5));
  if (state.has_held_for()) text += Concat(' ', FormatDuration(state.held_for()));
  return text;
}

}  // namespace

std::uint64_t JobsIn(const v1::Status& status, const char* state) {
  const auto found = status.jobs_by_state().find(state);
  return found == status.jobs_by_state().end() ? 0 : found->second;
}

std::string ByteRateText(double bytes_per_sec) {
  return Concat(FormatBytes(static_cast<std::uint64_t>(std::max(bytes_per_sec, 0.0))), "/s");
}

void SortJobs(std::vector<v1::Job>& jobs, std::size_t order) {
  const auto rank = [order](const v1::Job& job) {
    switch (order) {
      case 0:
        return -job.progress().rate_bytes_per_sec();
      case 1:
        return -PartDone(job);
      case 2:
        return static_cast<double>(job.create_time().seconds());
      default:
        return 0.0;
    }
  };
  const bool by_url = order == 3;
  std::ranges::sort(jobs, [&](const v1::Job& a, const v1::Job& b) {
    const auto key = [&](const v1::Job& job) {
      return std::tuple(job.state() != v1::Job::RUNNING, rank(job),
                        by_url ? UrlOf(job) : std::string());
    };
    const auto of_a = key(a);
    const auto of_b = key(b);
    return of_a != of_b ? of_a < of_b : a.name() < b.name();
  });
}

std::vector<TopOrigin> OriginsOf(const TopSample& sample, std::size_t order) {
  std::map<std::string, TopOrigin> by_name;
  for (const v1::OriginState& state : sample.origins) by_name[state.origin()].state = state;
  for (const v1::Status::Origin& origin : sample.status.origins()) {
    by_name[origin.origin()].figures = origin;
  }
  std::vector<TopOrigin> origins;
  for (auto& [name, origin] : by_name) {
    origin.name = name;
    origins.push_back(std::move(origin));
  }
  const auto rank = [order](const TopOrigin& origin) {
    switch (order) {
      case 0:
        return std::pair(origin.state.transfers(), origin.figures.in_flight());
      case 1:
        return std::pair(origin.state.body_bytes_per_sec(), std::uint64_t{0});
      default:
        return std::pair(std::uint64_t{0}, std::uint64_t{0});
    }
  };
  std::ranges::sort(origins, [&rank](const TopOrigin& a, const TopOrigin& b) {
    return rank(a) != rank(b) ? rank(a) > rank(b) : a.name < b.name;
  });
  return origins;
}

std::string JobColumns(std::size_t width) {
  return Row(JobCells{"STATE", "DONE", "SIZE", "RATE", "ETA", "NAME", "URL"}, width);
}

std::string JobText(const v1::Job& job, std::size_t width) {
  const v1::Progress& progress = job.progress();
  JobCells cells;
  cells.state = v1::Job::State_Name(job.state());
  if (progress.has_total_bytes()) {
    const double part = std::clamp(PartDone(job), 0.0, 1.0);
    cells.done = Concat(static_cast<int>(part * 100), '%');
    cells.size = FormatBytes(progress.total_bytes());
  } else {
    cells.done = "-";
    cells.size = FormatBytes(progress.received_bytes());
  }
  const bool runs = job.state() == v1::Job::RUNNING;
  cells.rate = runs ? ByteRateText(progress.rate_bytes_per_sec()) : "-";
  cells.eta = runs && progress.has_eta() ? FormatDuration(progress.eta()) : "-";
  cells.name = job.name();
  cells.url = UrlOf(job);
  return Row(cells, width);
}

std::string OriginColumns(std::size_t width) {
  return Row(OriginCells{"TRANSFERS", "IN FLIGHT", "LIMIT", "SPEED", "HOLD", "429", "ORIGIN"},
             width);
}

std::string OriginText(const TopOrigin& origin, std::size_t width) {
  OriginCells cells;
  cells.transfers = Concat(origin.state.transfers());
  cells.in_flight = Concat(origin.figures.in_flight());
  cells.limit = "-";
  if (origin.state.has_adaptive_limit()) cells.limit = Concat(origin.state.adaptive_limit());
  if (origin.state.limits().has_max_transfers()) {
    cells.limit = Concat(origin.state.limits().max_transfers());
  }
  const bool known = origin.state.has_body_bytes_per_sec();
  cells.speed = known ? ByteRateText(static_cast<double>(origin.state.body_bytes_per_sec())) : "-";
  cells.hold = HoldCell(origin.state);
  cells.pushbacks = Concat(origin.state.pushbacks());
  cells.name = origin.name;
  return Row(cells, width);
}

std::string SearchText(const v1::Job& job) {
  return Concat(job.name(), ' ', v1::Job::State_Name(job.state()), ' ', job.tenant(), ' ',
                UrlOf(job));
}

}  // namespace fetchd::cli
