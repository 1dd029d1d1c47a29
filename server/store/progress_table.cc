#include "store/progress_table.h"

#include <utility>

#include "store/json.h"

namespace fetchd::store {
namespace {

void ReadRow(const std::string& text, std::vector<jobs::RunningProgress>& out) {
  boost::system::error_code error;
  const json::value value = json::parse(text, error);
  if (error || !value.is_object()) return;
  for (const auto& [id, figures] : value.as_object()) {
    auto job = JobId::Parse(std::string_view(id.data(), id.size()));
    const json::array* row = figures.if_array();
    if (!job.ok() || row == nullptr || row->size() != 3) continue;
    const auto number = [row](std::size_t i) {
      boost::system::error_code bad;
      return row->at(i).to_number<std::uint64_t>(bad);
    };
    out.push_back({*std::move(job), number(0), std::nullopt, number(2)});
    if (!row->at(1).is_null()) out.back().total_bytes = number(1);
  }
}

}  // namespace

absl::Status SaveProgress(Database& database, const std::string& replica,
                          const std::vector<jobs::RunningProgress>& here) {
  json::object jobs;
  for (const jobs::RunningProgress& each : here) {
    json::value total = each.total_bytes ? json::value(*each.total_bytes) : json::value();
    jobs[View(each.job.str())] =
        json::array{each.received_bytes, std::move(total), each.bytes_per_sec};
  }
  Query query(database,
              "INSERT INTO progress (replica, at, jobs) VALUES (?1, clock_timestamp(), ?2)"
              " ON CONFLICT (replica) DO UPDATE SET at = excluded.at, jobs = excluded.jobs",
              replica, json::serialize(jobs));
  return query.Run();
}

absl::StatusOr<std::vector<jobs::RunningProgress>> LoadProgress(Database& database) {
  Query query(database,
              "SELECT jobs FROM progress WHERE at > clock_timestamp() - interval '10 seconds'");
  std::vector<jobs::RunningProgress> told;
  while (true) {
    ASSIGN_OR_RETURN(const bool found, query.Step());
    if (!found) return told;
    ReadRow(query.Text(0), told);
  }
}

}  // namespace fetchd::store
