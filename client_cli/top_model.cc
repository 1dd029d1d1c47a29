#include "cli/top_model.h"

#include <algorithm>
#include <utility>

#include "base/strings.h"
#include "cli/top_rows.h"

namespace fetchd::cli {
namespace {

bool IsShown(char character) { return character >= 0x20 && character < 0x7f; }

}  // namespace

std::optional<TopRates> RatesBetween(const TopSample& earlier, const TopSample& later) {
  const double seconds = std::chrono::duration<double>(later.at - earlier.at).count();
  const bool same = earlier.status.start_time().seconds() == later.status.start_time().seconds() &&
                    earlier.status.start_time().nanos() == later.status.start_time().nanos();
  if (!same || seconds <= 0) return std::nullopt;
  // Ended jobs may be deleted, and retried: then there are fewer of them than before.
  const auto rate = [seconds](std::uint64_t before, std::uint64_t after) {
    return after > before ? static_cast<double>(after - before) / seconds : 0.0;
  };
  const auto jobs = [&](const char* state) {
    return rate(JobsIn(earlier.status, state), JobsIn(later.status, state));
  };
  return TopRates{
      .received_bytes = rate(earlier.status.received_bytes(), later.status.received_bytes()),
      .requests = rate(earlier.status.dials().requests(), later.status.dials().requests()),
      .commits = rate(earlier.status.store_commits(), later.status.store_commits()),
      .succeeded = jobs("SUCCEEDED"),
      .failed = jobs("FAILED")};
}

void TopModel::OnSample(TopSample sample) {
  if (sample_) rates_ = RatesBetween(*sample_, sample);
  SortJobs(sample.jobs, job_order_);
  sample_ = std::move(sample);
  failing_since_.reset();
}

void TopModel::OnFailure(std::string error, std::chrono::steady_clock::time_point at) {
  error_ = std::move(error);
  if (!failing_since_) failing_since_ = at;
  rates_.reset();
}

const v1::Job* TopModel::SelectedJob() const {
  const auto chosen = chosen_.find(View::kJobs);
  if (!sample_ || view_ != View::kJobs || chosen == chosen_.end()) return nullptr;
  const auto job = std::ranges::find(sample_->jobs, chosen->second, &v1::Job::name);
  return job == sample_->jobs.end() ? nullptr : &*job;
}

void TopModel::Move(std::ptrdiff_t by) {
  if (keys_.empty()) return;
  const auto last = static_cast<std::ptrdiff_t>(keys_.size()) - 1;
  const auto at = std::clamp<std::ptrdiff_t>(static_cast<std::ptrdiff_t>(index_) + by, 0, last);
  index_ = static_cast<std::size_t>(at);
  chosen_[view_] = keys_[index_];
}

TopAction TopModel::OnKey(TopKey key) {
  message_.clear();
  const auto page = static_cast<std::ptrdiff_t>(page_);
  const auto all = static_cast<std::ptrdiff_t>(keys_.size());
  if (mode_ == Mode::kFilter) {
    if (key == TopKey::kErase && !filter_.empty()) filter_.pop_back();
    if (key == TopKey::kEscape) filter_.clear();
    if (key == TopKey::kEnter || key == TopKey::kEscape) mode_ = Mode::kLook;
    return {};
  }
  if (mode_ != Mode::kLook) {
    mode_ = Mode::kLook;
    return {};
  }
  switch (key) {
    case TopKey::kUp:
      Move(-1);
      break;
    case TopKey::kDown:
      Move(1);
      break;
    case TopKey::kPageUp:
      Move(-page);
      break;
    case TopKey::kPageDown:
      Move(page);
      break;
    case TopKey::kHome:
      Move(-all);
      break;
    case TopKey::kEnd:
      Move(all);
      break;
    case TopKey::kTab:
      view_ = view_ == View::kJobs ? View::kOrigins : View::kJobs;
      first_ = 0;
      break;
    case TopKey::kEscape:
      filter_.clear();
      break;
    case TopKey::kEnter:
    case TopKey::kErase:
      break;
  }
  return {};
}

TopAction TopModel::OnConfirmed(char character) {
  mode_ = Mode::kLook;
  if (character != 'y' && character != 'Y') return {};
  return {TopAction::Kind::kCancel, std::exchange(asked_job_, {})};
}

TopAction TopModel::OnCharacter(char character) {
  message_.clear();
  switch (mode_) {
    case Mode::kFilter:
      if (IsShown(character)) filter_ += character;
      return {};
    case Mode::kConfirm:
      return OnConfirmed(character);
    case Mode::kHelp:
      mode_ = Mode::kLook;
      return {};
    case Mode::kLook:
      return AskOf(character);
  }
  return {};
}

TopAction TopModel::AskOf(char character) {
  const v1::Job* job = SelectedJob();
  switch (character) {
    case 'q':
      return {TopAction::Kind::kQuit, ""};
    case 'j':
      return OnKey(TopKey::kDown);
    case 'k':
      return OnKey(TopKey::kUp);
    case '?':
      mode_ = Mode::kHelp;
      return {};
    case '/':
      mode_ = Mode::kFilter;
      return {};
    case 's': {
      std::size_t& order = view_ == View::kJobs ? job_order_ : origin_order_;
      order = (order + 1) % (view_ == View::kJobs ? kJobOrders.size() : kOriginOrders.size());
      if (sample_) SortJobs(sample_->jobs, job_order_);
      return {};
    }
    case 'c':
      if (job == nullptr) return {};
      asked_job_ = job->name();
      mode_ = Mode::kConfirm;
      return {};
    case 'p':
      if (job == nullptr) return {};
      return {job->state() == v1::Job::PAUSED ? TopAction::Kind::kResume : TopAction::Kind::kPause,
              job->name()};
    default:
      return {};
  }
}

bool TopModel::Matches(const std::string& text) const {
  return filter_.empty() || AsciiLower(text).find(AsciiLower(filter_)) != std::string::npos;
}

std::vector<TopModel::Row> TopModel::JobRows(std::size_t width) const {
  std::vector<Row> rows;
  for (const v1::Job& job : sample_->jobs) {
    if (!Matches(SearchText(job))) continue;
    rows.push_back({job.name(), JobText(job, width), job.state() != v1::Job::RUNNING});
  }
  return rows;
}

std::vector<TopModel::Row> TopModel::OriginRows(std::size_t width) const {
  std::vector<Row> rows;
  for (const TopOrigin& origin : OriginsOf(*sample_, origin_order_)) {
    if (!Matches(origin.name)) continue;
    rows.push_back({origin.name, OriginText(origin, width), false});
  }
  return rows;
}

std::vector<TopModel::Row> TopModel::Rows(std::size_t width) const {
  if (!sample_) return {};
  return view_ == View::kJobs ? JobRows(width) : OriginRows(width);
}

// The bar stays on its row while rows come and go; where that one is gone, at its place.
void TopModel::Select(const std::vector<Row>& rows) {
  keys_.clear();
  for (const Row& row : rows) keys_.push_back(row.key);
  if (rows.empty()) {
    index_ = first_ = 0;
    return;
  }
  std::string& chosen = chosen_[view_];
  const auto found = std::ranges::find(keys_, chosen);
  index_ = found != keys_.end() ? static_cast<std::size_t>(found - keys_.begin())
                                : std::min(index_, keys_.size() - 1);
  chosen = keys_[index_];
  first_ = std::min(first_, index_);
  if (index_ >= first_ + page_) first_ = index_ + 1 - page_;
  const std::size_t most = keys_.size() > page_ ? keys_.size() - page_ : 0;
  first_ = std::min(first_, most);
}

}  // namespace fetchd::cli
