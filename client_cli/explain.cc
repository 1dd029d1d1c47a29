#include "cli/explain.h"

#include <google/protobuf/util/time_util.h>

#include <algorithm>
#include <cstdint>
#include <vector>

#include "base/strings.h"
#include "cli/print.h"
#include "cli/values.h"

namespace fetchd::cli {
namespace {

using google::protobuf::util::TimeUtil;

constexpr int kNameColumns = 16, kTimeColumns = 9, kIndent = 4;
constexpr int kMinBar = 20, kMaxBar = 60;
constexpr std::int64_t kShown = 1'000'000;  ///< Nanoseconds; shorter ones would be "0ms".

struct Span {
  std::string name;
  google::protobuf::Duration duration;
  std::string note;
};

std::int64_t Nanoseconds(const google::protobuf::Duration& duration) {
  return TimeUtil::DurationToNanoseconds(duration);
}

/// What took no time and says nothing is left out.
void AddSpan(std::vector<Span>& spans, std::string name, const google::protobuf::Duration& duration,
             std::string note = "") {
  if (Nanoseconds(duration) == 0 && note.empty()) return;
  spans.push_back({std::move(name), duration, std::move(note)});
}

void AddHopSpans(std::vector<Span>& spans, const v1::Attempt::Hop& hop) {
  std::string head = hop.url();
  if (hop.http_status() != 0) head += Concat(" -> ", hop.http_status());
  if (hop.joined()) head += ", joined a read under way";
  if (hop.redialled()) head += ", stale connection replaced";
  if (hop.reused() && !hop.redialled()) head += ", connection reused";
  AddSpan(spans, "pool wait", hop.pool_wait(), std::move(head));
  if (!hop.joined() && (!hop.reused() || hop.redialled())) {
    AddSpan(spans, "DNS", hop.dns(), hop.dns_cached() ? "cached" : "");
    std::string tried;
    for (const v1::Attempt::Address& address : hop.addresses()) {
      tried += Concat(tried.empty() ? "" : ", ", address.address(), " ", address.outcome());
    }
    AddSpan(spans, "connect", hop.connect(), std::move(tried));
    AddSpan(spans, "proxy", hop.proxy_negotiation(), hop.proxy());
    std::string tls = hop.tls_description();
    if (hop.tls_resumed()) tls += " resumed";
    AddSpan(spans, "TLS", hop.tls(), std::move(tls));
  }
  AddSpan(spans, "first byte", hop.first_byte());
}

/// Draws one wait after the other.
class Waterfall {
 public:
  Waterfall(std::int64_t total, int width)
      : total_(std::max<std::int64_t>(total, 1)),
        columns_(std::clamp(width - kIndent - kNameColumns - kTimeColumns - 3, kMinBar, kMaxBar)) {}

  void Draw(const Span& span, std::string& out) {
    const std::int64_t took = Nanoseconds(span.duration);
    const int from = ColumnOf(elapsed_);
    elapsed_ = std::min(elapsed_ + took, total_);
    const int bar = took > 0 ? std::max(ColumnOf(elapsed_) - from, 1) : 0;
    std::string line(kIndent, ' ');
    line += Padded(span.name, kNameColumns) + Padded(FormatDuration(span.duration), kTimeColumns);
    line += '|';
    line.append(static_cast<std::size_t>(std::min(from, columns_ - 1)), ' ');
    line.append(static_cast<std::size_t>(bar), '=');
    line.resize(std::max<std::size_t>(line.size(), kIndent + kNameColumns + kTimeColumns + 1 +
                                                       static_cast<std::size_t>(columns_)),
                ' ');
    line += '|';
    out += line;
    if (!span.note.empty()) out += " " + Printable(span.note);
    out += '\n';
  }

 private:
  int ColumnOf(std::int64_t time) const {
    return static_cast<int>(static_cast<double>(time) / static_cast<double>(total_) * columns_);
  }
  static std::string Padded(std::string text, int columns) {
    text.resize(std::max(text.size() + 1, static_cast<std::size_t>(columns)), ' ');
    return text;
  }

  const std::int64_t total_;
  const int columns_;
  std::int64_t elapsed_ = 0;
};

std::string OutcomeOf(const v1::Attempt& attempt) {
  std::string name = v1::Attempt::Outcome_Name(attempt.outcome());
  constexpr std::string_view kPrefix = "OUTCOME_";
  return name.starts_with(kPrefix) ? name.substr(kPrefix.size()) : name;
}

std::vector<Span> SpansOf(const v1::Attempt& attempt) {
  std::vector<Span> spans;
  AddSpan(spans, "transfer permit", attempt.transfer_permit_wait());
  for (const v1::Attempt::Hop& hop : attempt.hops()) AddHopSpans(spans, hop);
  std::int64_t known = 0;
  for (const Span& span : spans) known += Nanoseconds(span.duration);
  const std::int64_t rest = std::max<std::int64_t>(
      Nanoseconds(attempt.transfer_permit_wait()) + Nanoseconds(attempt.duration()) - known, 0);
  std::string note;
  if (attempt.received_bytes() > 0) note = FormatBytes(attempt.received_bytes());
  if (Nanoseconds(attempt.buffer_wait()) >= kShown) {
    note += Concat(", of it waiting for buffers ", FormatDuration(attempt.buffer_wait()));
  }
  if (Nanoseconds(attempt.rate_wait()) >= kShown) {
    note +=
        Concat(", held back by limits on bytes a second for ", FormatDuration(attempt.rate_wait()));
  }
  AddSpan(spans, attempt.received_bytes() > 0 ? "body" : "end",
          TimeUtil::NanosecondsToDuration(rest), std::move(note));
  return spans;
}

void AddSegments(const v1::Attempt::Segments& segments, std::string& out) {
  if (segments.most_connections() > 1) {
    out += Concat("    read over ", segments.most_connections(),
                  " connections at once: ", segments.pieces(), " pieces, ", segments.added(),
                  " connections added, ", segments.dropped(), " dropped\n");
  }
  for (const std::string& note : segments.notes()) {
    out += Concat("      ", Printable(note), "\n");
  }
}

void AddAttempt(const v1::Attempt& attempt, int width, std::string& out) {
  out += Concat("Attempt ", attempt.number(), ": ", OutcomeOf(attempt), " after ",
                FormatDuration(attempt.duration()), ", begun ",
                TimeUtil::ToString(attempt.start_time()), "\n");
  if (attempt.resumed_from_bytes() > 0) {
    out += Concat("    resumed from ", FormatBytes(attempt.resumed_from_bytes()), "\n");
  }
  if (attempt.restarted()) out += "    the origin sent the body anew\n";
  const std::int64_t total =
      Nanoseconds(attempt.transfer_permit_wait()) + Nanoseconds(attempt.duration());
  Waterfall waterfall(total, width);
  for (const Span& span : SpansOf(attempt)) waterfall.Draw(span, out);
  if (attempt.has_segments()) AddSegments(attempt.segments(), out);
  if (attempt.has_error()) {
    out += Concat("    failed in ", attempt.failed_phase(), ": ",
                  Printable(attempt.error().message()), "\n");
  }
  if (!attempt.decision().empty()) out += Concat("    -> ", Printable(attempt.decision()), "\n");
}

std::string Headline(const v1::ExplainJobResponse& explained) {
  const v1::Job& job = explained.job();
  std::string text = Concat(job.name(), " is ", v1::Job::State_Name(job.state()));
  if (explained.has_wait()) {
    const v1::ExplainJobResponse::Wait& wait = explained.wait();
    text += Concat(": ", Printable(wait.explanation()));
    if (wait.has_until()) text += Concat("\nUntil:  ", TimeUtil::ToString(wait.until()));
    if (!wait.remedy().empty()) text += Concat("\nRemedy: ", Printable(wait.remedy()));
  } else if (job.has_error()) {
    text += Concat(": ", Printable(job.error().message()));
  }
  return text + "\n";
}

}  // namespace

std::string ExplainText(const v1::ExplainJobResponse& explained, int width) {
  std::string out = Headline(explained);
  for (const v1::Attempt& attempt : explained.job().attempts()) AddAttempt(attempt, width, out);
  return out;
}

}  // namespace fetchd::cli
