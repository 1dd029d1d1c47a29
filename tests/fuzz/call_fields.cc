// Fields that travel with a call: traceparent, tracestate, x-request-id, authorization.
#include <algorithm>
#include <cstdint>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/check.h"
#include "base/strings.h"
#include "rpc/bearer_token.h"
#include "rpc/call_trace.h"

namespace {

using namespace fetchd;
using Fields = std::vector<std::pair<std::string_view, std::string_view>>;

Fields Read(std::string_view text) {
  Fields fields;
  while (!text.empty()) {
    const std::string_view line = text.substr(0, text.find('\n'));
    text.remove_prefix(std::min(line.size() + 1, text.size()));
    const std::string_view name = line.substr(0, line.find(':'));
    fields.emplace_back(name, line.substr(std::min(name.size() + 1, line.size())));
  }
  return fields;
}

std::vector<std::string_view> Values(const Fields& fields, std::string_view name) {
  std::vector<std::string_view> values;
  for (const auto& [key, value] : fields) {
    if (key == name) values.push_back(value);
  }
  return values;
}

void CheckId(std::string_view id, std::size_t digits) {
  FETCHD_CHECK(id.size() == digits && id.find_first_not_of('0') != std::string_view::npos);
  FETCHD_CHECK(id.find_first_not_of("0123456789abcdef") == std::string_view::npos);
}

void CheckState(std::string_view state) {
  FETCHD_CHECK(state.size() <= kMaxTracestateBytes && !HasControl(state));
  if (state.empty()) return;
  FETCHD_CHECK(JoinTracestate({&state, 1}) == state);
  std::set<std::string_view> keys;
  for (std::string_view rest = state; !rest.empty();) {
    const std::string_view member = rest.substr(0, rest.find(','));
    rest.remove_prefix(std::min(member.size() + 1, rest.size()));
    FETCHD_CHECK(keys.insert(member.substr(0, member.find('='))).second);
  }
  FETCHD_CHECK(keys.size() <= 32);
}

/// It does not matter over how many fields the members are spread.
void CheckJoin(const std::vector<std::string_view>& values) {
  std::string together;
  for (const std::string_view value : values) {
    if (!together.empty()) together += ',';
    together += value;
  }
  const std::string_view one = together;
  FETCHD_CHECK(JoinTracestate(values) == JoinTracestate({&one, 1}));
}

void CheckTrace(const Fields& fields) {
  rpc::CallMetadata metadata;
  for (const auto& [name, value] : fields) {
    metadata.emplace(grpc::string_ref(name.data(), name.size()),
                     grpc::string_ref(value.data(), value.size()));
  }
  const TraceContext trace = rpc::ReadTrace(metadata);

  CheckId(trace.trace_id, 32);
  CheckState(trace.state);
  FETCHD_CHECK(IsRequestId(trace.request_id) && !HasControl(trace.request_id));
  const auto parents = Values(fields, "traceparent");
  if (trace.parent_id.empty()) {
    // A trace that begins here has nothing of theirs.
    FETCHD_CHECK(trace.state.empty() && !trace.sampled);
  } else {
    CheckId(trace.parent_id, 16);
    FETCHD_CHECK(parents.size() == 1);
    FETCHD_CHECK(parents[0].find(trace.trace_id + '-' + trace.parent_id) != std::string::npos);
  }
  const auto ids = Values(fields, "x-request-id");
  if (ids.size() != 1) FETCHD_CHECK(std::ranges::find(ids, trace.request_id) == ids.end());

  const auto again = ParseTraceparent(FormatTraceparent(trace, RandomSpanId()));
  FETCHD_CHECK(again && again->trace_id == trace.trace_id && again->sampled == trace.sampled);
  CheckJoin(Values(fields, "tracestate"));
}

void CheckToken(const std::vector<std::string_view>& values) {
  const auto token = rpc::ReadBearerToken(values);
  if (!token.ok()) {
    FETCHD_CHECK(absl::IsUnauthenticated(token.status()) && !values.empty());
  } else if (!*token) {
    FETCHD_CHECK(values.empty());
  } else {
    const std::string& text = (*token)->Reveal();
    FETCHD_CHECK(values.size() == 1 && !text.empty() && values[0].ends_with(text));
    FETCHD_CHECK(EqualsIgnoreCase(values[0].substr(0, values[0].size() - text.size()), "bearer "));
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  // "traceparent:00-...", a field a line.
  const Fields fields = Read({reinterpret_cast<const char*>(data), size});
  CheckTrace(fields);
  CheckToken(Values(fields, "authorization"));
  return 0;
}
