#include "rpc/call_trace.h"

#include <iterator>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace fetchd::rpc {
namespace {

constexpr char kRequestId[] = "x-request-id";
constexpr char kTraceparent[] = "traceparent";
constexpr char kTracestate[] = "tracestate";

std::string_view Text(grpc::string_ref text) { return {text.data(), text.size()}; }

/// nullopt also when there are several: which of them counts would be a guess.
std::optional<std::string_view> OnlyOne(const CallMetadata& metadata, const char* name) {
  const auto [first, last] = metadata.equal_range(name);
  if (first == last || std::next(first) != last) return std::nullopt;
  return Text(first->second);
}

std::string StateOf(const CallMetadata& metadata) {
  std::vector<std::string_view> values;
  const auto [first, last] = metadata.equal_range(kTracestate);
  for (auto field = first; field != last; ++field) values.push_back(Text(field->second));
  return JoinTracestate(values);
}

}  // namespace

TraceContext ReadTrace(const CallMetadata& metadata) {
  TraceContext trace;
  if (const auto parent = OnlyOne(metadata, kTraceparent)) {
    if (auto read = ParseTraceparent(*parent)) trace = *std::move(read);
  }
  if (trace.trace_id.empty()) {
    trace.trace_id = RandomTraceId();
  } else {
    trace.state = StateOf(metadata);
  }
  const auto request_id = OnlyOne(metadata, kRequestId);
  const bool usable = request_id && IsRequestId(*request_id);
  trace.request_id = usable ? std::string(*request_id) : RandomTraceId();
  return trace;
}

TraceContext TraceOf(grpc::ServerContextBase& context) {
  TraceContext trace = ReadTrace(context.client_metadata());
  context.AddTrailingMetadata(kRequestId, trace.request_id);
  context.AddTrailingMetadata(kTraceparent, FormatTraceparent(trace, RandomSpanId()));
  return trace;
}

}  // namespace fetchd::rpc
