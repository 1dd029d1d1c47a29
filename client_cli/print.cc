#include "cli/print.h"

#include <google/protobuf/util/json_util.h>
#include <google/protobuf/util/time_util.h>

#include <algorithm>
#include <memory>
#include <ostream>

#include "base/digest.h"
#include "base/strings.h"
#include "cli/values.h"
#include "google/rpc/status.pb.h"

namespace fetchd::cli {
namespace {

using Columns = JobPrinter::Columns;

std::vector<Table::Column> ColumnsOf(Columns columns, bool wide) {
  const Table::Column name{"NAME", 31};
  const Table::Column state{"STATE", 11, true};
  switch (columns) {
    case Columns::kSubmitted:
      return {name, state, {"URL", 0}};
    case Columns::kEnded:
      return {name, state, {"SIZE", 10}, {"SHA256", 64}, {"DETAIL", 0}};
    case Columns::kListed:
      break;
  }
  std::vector<Table::Column> listed = {name, state, {"PROGRESS", 10}, {"ATTEMPTS", 8}, {"AGE", 7}};
  if (!wide) {
    listed.push_back({"URL", 0});
  } else {
    listed.insert(listed.end(), {{"URL", 48}, {"DESTINATION", 32}, {"ERROR", 0}});
  }
  return listed;
}

std::string FirstUrl(const v1::Job& job) {
  return job.spec().urls().empty() ? "-" : job.spec().urls(0);
}

std::string OrDash(const std::string& text) { return text.empty() ? "-" : text; }

/// Not where only some of several destinations have it.
bool HasBody(const v1::Job& job) { return job.has_result() && job.state() == v1::Job::SUCCEEDED; }

std::string ProgressOf(const v1::Job& job) {
  return HasBody(job) ? FormatBytes(job.result().size_bytes()) : PercentOrBytes(job.progress());
}

/// A newer service may add error details of types that are not known here and have no JSON form
/// then.
void DropUnknownDetails(google::protobuf::Message& message) {
  using google::protobuf::FieldDescriptor;
  if (auto* status = dynamic_cast<google::rpc::Status*>(&message)) {
    auto& details = *status->mutable_details();
    const auto unknown = [](const google::protobuf::Any& any) {
      std::string type;
      return !google::protobuf::Any::ParseAnyTypeUrl(any.type_url(), &type) ||
             google::protobuf::DescriptorPool::generated_pool()->FindMessageTypeByName(type) ==
                 nullptr;
    };
    details.erase(std::remove_if(details.begin(), details.end(), unknown), details.end());
    return;
  }
  const auto& reflection = *message.GetReflection();
  std::vector<const FieldDescriptor*> fields;
  reflection.ListFields(message, &fields);
  for (const FieldDescriptor* field : fields) {
    if (field->cpp_type() != FieldDescriptor::CPPTYPE_MESSAGE || field->is_map()) continue;
    if (!field->is_repeated()) {
      DropUnknownDetails(*reflection.MutableMessage(&message, field));
      continue;
    }
    for (int i = 0; i < reflection.FieldSize(message, field); ++i) {
      DropUnknownDetails(*reflection.MutableRepeatedMessage(&message, field, i));
    }
  }
}

/// In the colours of the terminal; other texts stay as they are.
std::string Painted(const std::string& state) {
  const char* color = nullptr;
  if (state == "SUCCEEDED") color = "32";
  if (state == "FAILED") color = "31";
  for (const char* const held : {"CANCELLED", "WAITING", "INTERRUPTED", "PAUSED"}) {
    if (state == held) color = "33";
  }
  if (state == "RUNNING") color = "36";
  return color == nullptr ? state : Concat("\x1b[", color, "m", state, "\x1b[0m");
}

}  // namespace

std::string AgeOf(const google::protobuf::Timestamp& created,
                  std::chrono::system_clock::time_point now) {
  using google::protobuf::util::TimeUtil;
  const auto now_ms = std::chrono::duration_cast<Milliseconds>(now.time_since_epoch()).count();
  const Milliseconds age(now_ms - TimeUtil::TimestampToMilliseconds(created));
  const std::int64_t seconds = std::max<std::int64_t>(age.count() / 1000, 0);
  if (seconds < 60) return Concat(seconds, "s");
  if (seconds < 3'600) return Concat(seconds / 60, "m");
  if (seconds < 86'400) return Concat(seconds / 3'600, "h");
  return Concat(seconds / 86'400, "d");
}

std::string ToJson(const google::protobuf::Message& message) {
  google::protobuf::util::JsonPrintOptions options;
  options.preserve_proto_field_names = true;
  options.always_print_primitive_fields = true;
  std::string json;
  if (google::protobuf::util::MessageToJsonString(message, &json, options).ok()) return json;
  const std::unique_ptr<google::protobuf::Message> copy(message.New());
  copy->CopyFrom(message);
  DropUnknownDetails(*copy);
  json.clear();
  const auto status = google::protobuf::util::MessageToJsonString(*copy, &json, options);
  return status.ok() ? json : R"({"unprintable":true})";
}

Table::Table(std::ostream& out, std::vector<Column> columns, bool color)
    : out_(out), columns_(std::move(columns)), color_(color) {}

void Table::Row(const std::vector<std::string>& cells) {
  if (!titled_) {
    std::vector<std::string> titles;
    for (const Column& column : columns_) titles.push_back(column.title);
    Line(titles);
    titled_ = true;
  }
  Line(cells);
}

void Table::Line(const std::vector<std::string>& cells) {
  std::string line;
  for (std::size_t i = 0; i < columns_.size(); ++i) {
    const std::string cell = Printable(cells[i]);
    line += color_ && columns_[i].is_state ? Painted(cell) : cell;
    if (i + 1 == columns_.size()) break;
    line.append(columns_[i].width > cell.size() ? columns_[i].width - cell.size() : 0, ' ');
    line += "  ";
  }
  out_ << line << '\n';
}

JobPrinter::JobPrinter(Console& console, OutputFormat format, Columns columns,
                       std::chrono::system_clock::time_point now)
    : console_(console),
      format_(format),
      columns_(columns),
      now_(now),
      table_(console.out, ColumnsOf(columns, format == OutputFormat::kWide), console.color) {}

void JobPrinter::Print(const v1::Job& job) {
  switch (format_) {
    case OutputFormat::kJson:
      console_.out << ToJson(job) << '\n';
      return;
    case OutputFormat::kName:
      console_.out << Printable(job.name()) << '\n';
      return;
    case OutputFormat::kTable:
    case OutputFormat::kWide:
      table_.Row(Cells(job));
      return;
  }
}

std::vector<std::string> JobPrinter::Cells(const v1::Job& job) const {
  const std::string state = v1::Job::State_Name(job.state());
  const std::string error = job.has_error() ? OneLine(job.error()) : "-";
  switch (columns_) {
    case Columns::kSubmitted:
      return {job.name(), state, FirstUrl(job)};
    case Columns::kEnded:
      if (!HasBody(job)) return {job.name(), state, "-", "-", error};
      return {job.name(), state, FormatBytes(job.result().size_bytes()), Sha256Hex(job.result()),
              OrDash(job.result().destination())};
    case Columns::kListed:
      break;
  }
  std::vector<std::string> cells = {job.name(),
                                    state,
                                    ProgressOf(job),
                                    Concat(job.attempt_count()),
                                    AgeOf(job.create_time(), now_),
                                    FirstUrl(job)};
  if (format_ == OutputFormat::kWide) {
    cells.push_back(OrDash(job.destination()));
    cells.push_back(error);
  }
  return cells;
}

bool HasEnded(v1::Job::State state) {
  return state == v1::Job::SUCCEEDED || state == v1::Job::FAILED || state == v1::Job::CANCELLED;
}

std::string Sha256Hex(const v1::Result& result) {
  for (const std::string& text : result.digests()) {
    const auto digest = Digest::Parse(text);
    if (digest.ok() && digest->algorithm == DigestAlgorithm::kSha256) return digest->ToHex();
  }
  return "-";
}

std::string PercentOrBytes(const v1::Progress& progress) {
  if (progress.has_total_bytes() && progress.total_bytes() > 0) {
    const double part = static_cast<double>(progress.received_bytes()) /
                        static_cast<double>(progress.total_bytes());
    return Concat(static_cast<std::uint64_t>(part * 100), "%");
  }
  return FormatBytes(progress.received_bytes());
}

}  // namespace fetchd::cli
