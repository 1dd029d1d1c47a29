#include "cli/batch_print.h"

#include <ostream>

#include "base/strings.h"
#include "cli/values.h"

namespace fetchd::cli {
namespace {

std::vector<Table::Column> BatchColumns(bool wide) {
  std::vector<Table::Column> columns = {{"NAME", 34},     {"STATE", 9, true}, {"FOUND", 8},
                                        {"SUCCEEDED", 9}, {"FAILED", 7},      {"SKIPPED", 7},
                                        {"LIVE", 7},      {"AGE", 5}};
  if (wide) columns.insert(columns.end(), {{"CANCELLED", 9}, {"FETCHED", 10}});
  columns.push_back({"TITLE", 0});
  return columns;
}

std::uint64_t LiveOf(const v1::Batch& batch) {
  return batch.counters().queued().objects() + batch.counters().running().objects();
}

std::string BatchLineOf(const std::string& name, const std::string& value) {
  std::string line = name + ":";
  line.append(line.size() < 14 ? 14 - line.size() : 1, ' ');
  return line + Printable(value) + "\n";
}

std::string TallyLineOf(const std::string& name, const v1::Batch::Tally& tally) {
  return BatchLineOf(name, Concat(tally.objects(), ", ", FormatBytes(tally.bytes())));
}

std::string ErrorKindOf(const v1::Batch::ErrorGroup& group) {
  std::string kind = CodeName(group.code());
  if (group.http_status() != 0) return Concat(kind, " HTTP ", group.http_status());
  return group.reason().empty() ? kind : Concat(kind, " ", group.reason());
}

std::string DescribeErrors(const v1::Batch& batch) {
  std::string out;
  for (const v1::Batch::ErrorGroup& group : batch.errors()) {
    out += Concat("\n", Printable(ErrorKindOf(group)), ": ", group.count(), "\n");
    for (const v1::Batch::Sample& sample : group.samples()) {
      out += Concat("  entry ", sample.entry(), " ",
                    sample.job().empty() ? "refused" : Printable(sample.job()), " ",
                    Printable(sample.url()), "\n    ", Printable(sample.message()), "\n");
    }
  }
  return out;
}

}  // namespace

BatchPrinter::BatchPrinter(Console& console, OutputFormat format,
                           std::chrono::system_clock::time_point now)
    : console_(console),
      format_(format),
      now_(now),
      table_(console.out, BatchColumns(format == OutputFormat::kWide), console.color) {}

void BatchPrinter::Print(const v1::Batch& batch) {
  if (format_ == OutputFormat::kJson) {
    console_.out << ToJson(batch) << '\n';
  } else if (format_ == OutputFormat::kName) {
    console_.out << Printable(batch.name()) << '\n';
  } else {
    table_.Row(Cells(batch));
  }
}

std::vector<std::string> BatchPrinter::Cells(const v1::Batch& batch) const {
  const v1::Batch::Counters& counters = batch.counters();
  std::vector<std::string> cells = {batch.name(),
                                    v1::Batch::State_Name(batch.state()),
                                    Concat(counters.found().objects()),
                                    Concat(counters.succeeded().objects()),
                                    Concat(counters.failed().objects()),
                                    Concat(counters.skipped().objects()),
                                    Concat(LiveOf(batch)),
                                    AgeOf(batch.create_time(), now_)};
  if (format_ == OutputFormat::kWide) {
    cells.push_back(Concat(counters.cancelled().objects()));
    cells.push_back(FormatBytes(counters.succeeded().bytes()));
  }
  cells.push_back(batch.display_name().empty() ? "-" : batch.display_name());
  return cells;
}

std::string DescribeBatch(const v1::Batch& batch) {
  const v1::Batch::Counters& counters = batch.counters();
  std::string out = BatchLineOf("Name", batch.name());
  if (!batch.display_name().empty()) out += BatchLineOf("Title", batch.display_name());
  out += BatchLineOf("State", v1::Batch::State_Name(batch.state()));
  if (batch.pending_action() != v1::Batch::ACTION_UNSPECIFIED) {
    out += BatchLineOf("Going on", v1::Batch::Action_Name(batch.pending_action()));
  }
  if (!batch.request_id().empty()) out += BatchLineOf("Request id", batch.request_id());
  if (!batch.defaults().destination().empty()) {
    out += BatchLineOf("Destination", batch.defaults().destination());
  }
  out += TallyLineOf("Found", counters.found()) + TallyLineOf("Queued", counters.queued()) +
         TallyLineOf("Running", counters.running()) +
         TallyLineOf("Succeeded", counters.succeeded()) + TallyLineOf("Failed", counters.failed()) +
         TallyLineOf("Skipped", counters.skipped()) +
         TallyLineOf("Cancelled", counters.cancelled());
  return out + DescribeErrors(batch);
}

bool HasEnded(v1::Batch::State state) {
  return state == v1::Batch::SUCCEEDED || state == v1::Batch::FAILED ||
         state == v1::Batch::CANCELLED;
}

std::string SummaryOf(const v1::Batch& batch) {
  const v1::Batch::Counters& counters = batch.counters();
  std::string summary =
      Concat(counters.found().objects() - LiveOf(batch), " of ", counters.found().objects(),
             " ended, ", counters.failed().objects(), " failed, ", counters.running().objects(),
             " running, ", FormatBytes(counters.succeeded().bytes()));
  if (counters.found().bytes() > counters.succeeded().bytes()) {
    summary += Concat(" of ", FormatBytes(counters.found().bytes()));
  }
  return summary;
}

ExitCode ExitCodeOf(const v1::Batch& batch) {
  if (batch.state() == v1::Batch::SUCCEEDED) return ExitCode::kDone;
  ExitCodes codes;
  for (const v1::Batch::ErrorGroup& group : batch.errors()) {
    google::rpc::Status error;
    error.set_code(group.code());
    codes.Add(ExitCodeOfJobError(error));
  }
  if (batch.counters().cancelled().objects() > 0 || codes.Combined() == ExitCode::kDone) {
    codes.Add(ExitCode::kFetchFailed);
  }
  return codes.Combined();
}

std::string BatchName(const std::string& text) {
  return text.starts_with("batches/") ? text : "batches/" + text;
}

}  // namespace fetchd::cli
