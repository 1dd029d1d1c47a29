#include "store/job_queries.h"

#include <algorithm>
#include <iterator>
#include <map>
#include <utility>

#include "base/strings.h"
#include "store/json.h"

namespace fetchd::store {
namespace {

using jobs::JobEvent;
using jobs::JobFilter;
using jobs::JobPage;

constexpr int kDefaultPageSize = 50;
constexpr int kMaxPageSize = 1000;
constexpr int kMaxEvents = 10000;
constexpr std::string_view kTokenVersion = "v1";

// A statement that grows with the filter; each term brings its parameters.
struct FilterStatement {
  Engine engine = Engine::kSqlite;
  std::string sql = {};
  std::vector<Value> parameters = {};

  bool sqlite() const { return engine == Engine::kSqlite; }
  // Those of a JSON list, for one parameter.
  std::string In(std::string_view column) const {
    if (sqlite()) return Concat(column, " IN (SELECT value FROM json_each(?))");
    return Concat(column, " = ANY (ARRAY(SELECT json_array_elements_text(CAST(? AS json))))");
  }
  // A column whose index should not lead. PostgreSQL knows by itself.
  std::string Beside(std::string_view column) const { return Concat(sqlite() ? "+" : "", column); }

  void Add(std::string_view term, std::initializer_list<Value> values) {
    sql += term;
    parameters.insert(parameters.end(), values);
  }
};

// Lists as one JSON parameter, so that their length does not change the statement.
std::string IdList(const std::vector<JobId>& of) {
  json::array ids;
  for (const JobId& id : of) ids.emplace_back(View(id.str()));
  return json::serialize(ids);
}
std::string StateList(const JobFilter& filter) {
  json::array states;
  for (const jobs::State state : filter.states) states.emplace_back(jobs::StateName(state));
  return json::serialize(states);
}

// Equal for equal filters: binds a page token to the filter that it belongs to.
std::string FilterDigest(const JobFilter& filter) {
  json::object labels;
  for (const auto& [key, value] : filter.labels) labels[View(key)] = View(value);
  json::array content{View(IdList(filter.ids)), View(StateList(filter)), std::move(labels),
                      View(filter.origin),      View(filter.tenant),     View(filter.batch.str())};
  for (const auto& time : {filter.created_after, filter.created_before}) {
    content.push_back(time ? json::value(Nanoseconds(*time)) : json::value());
  }
  const std::string text = json::serialize(content);
  Digester digester({DigestAlgorithm::kSha256});
  digester.Update(std::as_bytes(std::span(text)));
  return digester.Finish().at(0).ToHex().substr(0, 16);
}

std::string MakeToken(const JobFilter& filter, const std::string& last_id) {
  return Base64Encode(Concat(kTokenVersion, ':', FilterDigest(filter), ':', last_id));
}

// The id after which the page begins.
absl::StatusOr<std::string> ReadToken(const JobFilter& filter, const std::string& token) {
  const absl::Status invalid = WithField(
      absl::InvalidArgumentError(
          "page_token is not one that a list with this filter returned; begin again without it"),
      {"page_token", "not returned by a list with this filter"});
  const auto text = Base64Decode(token);
  const std::string prefix = Concat(kTokenVersion, ':', FilterDigest(filter), ':');
  if (!text || !text->starts_with(prefix)) return invalid;
  const auto id = JobId::Parse(std::string_view(*text).substr(prefix.size()));
  if (!id.ok()) return invalid;
  return id->str();
}

// With one state its index gives the order; with several, a walk down the ids beats sorting them
// all.
void AddStates(const JobFilter& filter, FilterStatement& statement) {
  if (filter.states.size() == 1) {
    statement.Add(" AND j.state = ?", {jobs::StateName(filter.states[0])});
  } else if (!filter.states.empty()) {
    statement.Add(Concat(" AND ", statement.In(statement.Beside("j.state"))), {StateList(filter)});
  }
}

// Pages of a batch follow its index, which gives their order too.
const char* BatchIndex(const JobFilter& filter) {
  if (filter.batch.empty()) return "jobs AS j";
  return filter.states.size() == 1 ? "jobs AS j INDEXED BY jobs_of_batch_in_state"
                                   : "jobs AS j INDEXED BY jobs_of_batch";
}

FilterStatement ListStatement(Engine engine, const JobFilter& filter, const std::string& before_id,
                              int rows) {
  FilterStatement statement{engine};
  // The first label leads, by its index; the others are looked up.
  auto label = filter.labels.begin();
  const bool by_label = label != filter.labels.end();
  const std::string id = by_label ? "l.job_id" : "j.id";
  statement.sql = "SELECT " FETCHD_STORE_JOB_COLUMNS " FROM ";
  if (by_label) {
    statement.sql += statement.sqlite() ? "labels AS l CROSS JOIN jobs AS j ON j.id = l.job_id"
                                        : "labels AS l JOIN jobs AS j ON j.id = l.job_id";
    statement.Add(" WHERE l.key = ? AND l.value = ?", {label->first, label->second});
    ++label;
  } else {
    statement.sql += BatchIndex(filter);
    statement.sql += " WHERE 1 = 1";
  }
  for (; label != filter.labels.end(); ++label) {
    statement.Add(
        " AND EXISTS (SELECT 1 FROM labels WHERE job_id = j.id AND key = ? AND value = ?)",
        {label->first, label->second});
  }
  if (!before_id.empty()) statement.Add(Concat(" AND ", id, " < ?"), {before_id});
  if (!filter.ids.empty()) {
    statement.Add(Concat(" AND ", statement.In(id)), {IdList(filter.ids)});
  }
  AddStates(filter, statement);
  if (!filter.origin.empty()) statement.Add(" AND j.origin = ?", {filter.origin});
  // With a state or a label that index is the better one; the tenant is looked at beside it.
  if (!filter.tenant.empty()) {
    const bool leads = !by_label && filter.states.size() != 1;
    const std::string tenant = leads ? "j.tenant" : statement.Beside("j.tenant");
    statement.Add(Concat(" AND ", tenant, " = ?"), {filter.tenant});
  }
  if (!filter.batch.empty()) statement.Add(" AND j.batch = ?", {filter.batch.str()});
  if (filter.created_after) {
    statement.Add(" AND j.created_at > ?", {Nanoseconds(*filter.created_after)});
  }
  if (filter.created_before) {
    statement.Add(" AND j.created_at < ?", {Nanoseconds(*filter.created_before)});
  }
  statement.Add(Concat(" ORDER BY ", id, " DESC LIMIT ?"), {std::int64_t{rows}});
  return statement;
}

// Labels of a job, or those that its deletion keeps.
std::string EventHasLabel(const FilterStatement& statement) {
  if (statement.sqlite()) {
    return " AND EXISTS (SELECT 1 FROM json_each(iif(json_valid(coalesce(j.labels, e.labels)),"
           " coalesce(j.labels, e.labels), '{}')) AS l"
           " WHERE l.key = ? AND l.value = ?)";
  }
  return " AND CAST(convert_from(coalesce(j.labels, e.labels), 'UTF8') AS json)"
         " ->> CAST(? AS text) = ?";
}

FilterStatement EventStatement(Engine engine, std::int64_t after, const JobFilter& filter,
                               int limit) {
  FilterStatement statement{engine};
  statement.sql = "SELECT e.sequence, e.at, e.state, e.deleted, e.job_id, " FETCHD_STORE_JOB_COLUMNS
                  " FROM events AS e LEFT JOIN jobs AS j ON j.id = e.job_id"
                  " WHERE (e.deleted = 1 OR j.id IS NOT NULL)";
  statement.Add(" AND e.sequence > ?", {after});
  if (!filter.ids.empty()) {
    statement.Add(Concat(" AND ", statement.In("e.job_id")), {IdList(filter.ids)});
  }
  if (!filter.states.empty()) {
    statement.Add(Concat(" AND ", statement.In("e.state")), {StateList(filter)});
  }
  for (const auto& [key, value] : filter.labels) {
    statement.Add(EventHasLabel(statement), {key, value});
  }
  if (!filter.origin.empty()) {
    statement.Add(" AND coalesce(j.origin, e.origin) = ?", {filter.origin});
  }
  if (!filter.tenant.empty()) {
    statement.Add(" AND coalesce(j.tenant, e.tenant) = ?", {filter.tenant});
  }
  if (!filter.batch.empty()) {
    statement.Add(" AND coalesce(j.batch, e.batch) = ?", {filter.batch.str()});
  }
  if (filter.created_after) {
    statement.Add(" AND coalesce(j.created_at, e.created_at) > ?",
                  {Nanoseconds(*filter.created_after)});
  }
  if (filter.created_before) {
    statement.Add(" AND coalesce(j.created_at, e.created_at) < ?",
                  {Nanoseconds(*filter.created_before)});
  }
  statement.Add(" ORDER BY e.sequence LIMIT ?", {std::int64_t{limit}});
  return statement;
}

// nullopt when the row is so damaged that there is nothing to tell: the others are told all the
// same.
std::optional<JobEvent> ReadEvent(const Query& row, const JobTable& table) {
  constexpr int kFirstJobColumn = 5;
  JobEvent event;
  event.sequence = row.Int(0);
  event.at = row.Time(1);
  const auto state = jobs::ParseState(row.Text(2));
  if (!state) return std::nullopt;
  event.state = *state;
  event.deleted = row.Int(3) != 0;
  if (event.deleted) {
    auto id = JobId::Parse(row.Text(4));
    if (!id.ok()) return std::nullopt;
    event.job.id = *std::move(id);
    return event;
  }
  std::optional<jobs::Job> job = table.ReadToShow(row, kFirstJobColumn);
  if (!job) return std::nullopt;
  event.job = *std::move(job);
  return event;
}

}  // namespace

absl::StatusOr<JobPage> ListJobs(Database& database, const JobTable& table, const JobFilter& filter,
                                 int page_size, const std::string& page_token) {
  const int size = page_size <= 0 ? kDefaultPageSize : std::min(page_size, kMaxPageSize);
  std::string before_id;
  if (!page_token.empty()) {
    ASSIGN_OR_RETURN(before_id, ReadToken(filter, page_token));
  }
  const FilterStatement statement = ListStatement(database.engine(), filter, before_id, size + 1);
  Query query(database, statement.sql, statement.parameters);
  JobPage page;
  while (true) {
    ASSIGN_OR_RETURN(const bool found, query.Step());
    if (!found) return page;
    if (static_cast<int>(page.jobs.size()) == size) {
      page.next_page_token = MakeToken(filter, page.jobs.back().id.str());
      return page;
    }
    std::optional<jobs::Job> job = table.ReadToShow(query);
    if (job) page.jobs.push_back(*std::move(job));
  }
}

absl::StatusOr<std::vector<JobEvent>> ListEvents(Database& database, const JobTable& table,
                                                 std::int64_t after, const JobFilter& filter,
                                                 int limit) {
  const FilterStatement statement =
      EventStatement(database.engine(), after, filter, std::clamp(limit, 1, kMaxEvents));
  Query query(database, statement.sql, statement.parameters);
  std::vector<JobEvent> events;
  while (true) {
    ASSIGN_OR_RETURN(const bool found, query.Step());
    if (!found) return events;
    std::optional<JobEvent> event = ReadEvent(query, table);
    if (event) events.push_back(*std::move(event));
  }
}

absl::StatusOr<std::vector<jobs::ClaimId>> LostClaims(Database& database,
                                                      const std::vector<jobs::ClaimId>& claims) {
  std::vector<JobId> ids;
  for (const jobs::ClaimId& claim : claims) ids.push_back(claim.job);
  Query query(database,
              database.engine() == Engine::kSqlite
                  ? "SELECT id, fence FROM jobs"
                    " WHERE +state = 'RUNNING' AND id IN (SELECT value FROM json_each(?1))"
                  : "SELECT id, fence FROM jobs WHERE state = 'RUNNING'"
                    " AND id = ANY (ARRAY(SELECT json_array_elements_text(CAST(?1 AS json))))",
              IdList(ids));
  std::map<std::string, std::int64_t> held;
  while (true) {
    ASSIGN_OR_RETURN(const bool found, query.Step());
    if (!found) break;
    held[query.Text(0)] = query.Int(1);
  }
  std::vector<jobs::ClaimId> lost;
  std::ranges::copy_if(claims, std::back_inserter(lost), [&held](const jobs::ClaimId& claim) {
    const auto entry = held.find(claim.job.str());
    return entry == held.end() || entry->second != claim.fence;
  });
  return lost;
}

}  // namespace fetchd::store
