// What the reading commands print: tables for people, one JSON object a line for programs.
#pragma once

#include <google/protobuf/message.h>
#include <google/protobuf/timestamp.pb.h>

#include <chrono>
#include <string>
#include <string_view>
#include <vector>

#include "cli/console.h"
#include "fetchd/v1/admin_service.pb.h"
#include "fetchd/v1/fetch_service.pb.h"

namespace fetchd::cli {

enum class OutputFormat { kTable, kWide, kJson, kName };

/// One line, the proto's field names, every field that has no presence of its own even when it is
/// zero. 64-bit integers are strings and bytes base64, as the Protobuf JSON mapping has it.
std::string ToJson(const google::protobuf::Message& message);

/// Streams rows: columns have fixed widths, the last is as wide as its text.
class Table {
 public:
  struct Column {
    std::string title;
    std::size_t width;
    bool is_state = false;  ///< Of a job: painted, with `color`.
  };
  Table(std::ostream& out, std::vector<Column> columns, bool color = false);
  /// The title line comes before the first row. Cells are made safe to print.
  void Row(const std::vector<std::string>& cells);

 private:
  void Line(const std::vector<std::string>& cells);
  std::ostream& out_;
  std::vector<Column> columns_;
  bool color_;
  bool titled_ = false;
};

/// Prints jobs as they come.
class JobPrinter {
 public:
  enum class Columns {
    kSubmitted,  ///< NAME STATE URL
    kListed,     ///< NAME STATE PROGRESS ATTEMPTS AGE URL; wide: and DESTINATION, ERROR
    kEnded,      ///< NAME STATE SIZE SHA256 DETAIL (destination or error)
  };
  JobPrinter(Console& console, OutputFormat format, Columns columns,
             std::chrono::system_clock::time_point now);
  void Print(const v1::Job& job);

 private:
  std::vector<std::string> Cells(const v1::Job& job) const;
  Console& console_;
  OutputFormat format_;
  Columns columns_;
  std::chrono::system_clock::time_point now_;
  Table table_;
};

/// "3m": two units would be too much for a column.
std::string AgeOf(const google::protobuf::Timestamp& created,
                  std::chrono::system_clock::time_point now);

bool HasEnded(v1::Job::State state);
/// The sha256 among the digests of a result, in hexadecimal as sha256sum prints it; "-" when it is
/// not there.
std::string Sha256Hex(const v1::Result& result);
std::string PercentOrBytes(const v1::Progress& progress);  ///< "45%", "12.0 MiB"

/// Whether a replica is there.
std::string LeaseText(const v1::Status::Replica& replica);
/// Everything about one job, attempts included.
std::string DescribeJob(const v1::Job& job);
/// The five dials, limits and counts; `wide` adds origins and shards.
std::string DescribeStatus(const v1::Status& status, bool wide);

}  // namespace fetchd::cli
