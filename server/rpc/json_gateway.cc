#include "rpc/json_gateway.h"

#include <google/protobuf/message.h>
#include <grpcpp/generic/generic_stub.h>
#include <grpcpp/grpcpp.h>

#include <algorithm>
#include <optional>
#include <utility>
#include <vector>

#include "base/strings.h"
#include "base/utf8.h"
#include "rpc/auth.h"
#include "rpc/bearer_token.h"
#include "rpc/event_text.h"
#include "rpc/history.h"
#include "rpc/json_error.h"
#include "rpc/json_request.h"
#include "rpc/local_call.h"
#include "rpc/openapi.h"
#include "rpc/status.h"

namespace fetchd::rpc {
namespace {

constexpr char kJsonType[] = "application/json";
constexpr std::string_view kDocumentPath = "/openapi.json";
/// Not of gRPC: a picture for people, which the metrics have in full.
constexpr std::string_view kHistoryPath = "/v1/history";
constexpr std::string_view kStatusPath = "/v1/status";
constexpr std::chrono::seconds kStreamRetry{5};
constexpr std::uint64_t kMaxParsing = 2;

/// What gRPC takes as metadata; it ends the process over anything else.
bool IsPrintable(std::string_view text) {
  return std::ranges::all_of(text, [](char c) { return c >= 0x20 && c <= 0x7e; });
}

/// "application/json", whatever its parameters.
bool IsJson(const HttpRequest& request) {
  const std::string_view type = request.Value("content-type").value_or("");
  return EqualsIgnoreCase(TrimWhitespace(type.substr(0, type.find(';'))), kJsonType);
}

std::string QueryOf(const HttpRequest& request) {
  const std::size_t mark = request.target.find('?');
  return mark == std::string::npos ? std::string() : request.target.substr(mark + 1);
}

absl::StatusOr<std::string> ReadRequest(const JsonRoute& route, const JsonParameters& parameters,
                                        const std::string& body) {
  ASSIGN_OR_RETURN(const auto message, ReadJsonRequest(route, parameters, body));
  return message->SerializeAsString();
}

/// What becomes of the answers of a method.
LocalCall::Render RenderOf(const JsonRoute& route) {
  const google::protobuf::MethodDescriptor& method = MethodOf(route);
  const google::protobuf::Message* prototype =
      google::protobuf::MessageFactory::generated_factory()->GetPrototype(method.output_type());
  const bool is_event = method.server_streaming();
  return [prototype, is_event](const std::string& bytes) -> absl::StatusOr<std::string> {
    const std::unique_ptr<google::protobuf::Message> message(prototype->New());
    if (!message->ParseFromString(bytes)) return absl::InternalError("an answer cannot be read");
    return is_event ? EventOf(*message) : WriteJson(*message);
  };
}

absl::Status NoFreeStream(std::size_t most) {
  return WithRetryAfter(WithReason(absl::ResourceExhaustedError(Concat(
                                       "there are as many streams over HTTP as there may be: ",
                                       most, ", and half of these of a tenant")),
                                   {"HTTP_STREAM_LIMIT", {}}),
                        kStreamRetry);
}

HttpReply ReplyTo(const absl::Status& status) { return ErrorReply(ToProtoStatus(status)); }

bool IsDocument(const HttpRequest& request) {
  return request.path() == kDocumentPath && (request.method == "GET" || request.method == "HEAD");
}

/// Who may know how the server does now may know how it did.
bool IsHistory(const HttpRequest& request) {
  return request.path() == kHistoryPath && request.method == "GET";
}

JsonMatch MatchOf(const HttpRequest& request) {
  return MatchJsonRoute(request.method, IsHistory(request) ? kStatusPath : request.path());
}

HttpReply NoRoute(const std::string& verbs) {
  if (verbs.empty()) {
    return ErrorReply(404, grpc::StatusCode::NOT_FOUND,
                      "there is no such path: /openapi.json lists those that there are");
  }
  HttpReply reply =
      ErrorReply(405, grpc::StatusCode::UNIMPLEMENTED, Concat("this path takes ", verbs));
  reply.fields.push_back({"Allow", verbs});
  return reply;
}

/// The events of a watch.
class EventStream final : public HttpBodyStream {
 public:
  EventStream(LocalCallGuard call, WatchSlot slot, Clock& clock, Duration keep_alive)
      : call_(std::move(call)), slot_(std::move(slot)), clock_(clock), keep_alive_(keep_alive) {}

  Task<absl::StatusOr<std::string>> Next() override {
    if (std::exchange(is_first_, false)) co_return std::string(kFirstEventText);
    if (ended_) co_return std::string();
    const Deadline quiet_until = Deadline::After(clock_, keep_alive_);
    switch (co_await call_->Await(clock_, quiet_until)) {
      case LocalCall::News::kMessage:
        co_return call_->TakeMessage();
      case LocalCall::News::kEnded: {
        ended_ = true;
        const google::rpc::Status status = ToProtoStatus(call_->status());
        co_return EndEvent(status);
      }
      case LocalCall::News::kNone:
      case LocalCall::News::kOpened:
        break;
    }
    co_return std::string(kKeepAliveText);
  }

 private:
  LocalCallGuard call_;
  const WatchSlot slot_;
  Clock& clock_;
  const Duration keep_alive_;
  bool is_first_ = true;
  bool ended_ = false;
};

}  // namespace

struct JsonGateway::Begun {
  LocalCallGuard call;
  WatchSlot slot;  ///< Of a stream.
};

JsonGateway::JsonGateway(Deps deps, JsonGatewayConfig config)
    : deps_(std::move(deps)),
      config_(config),
      document_(OpenApiDocument(deps_.version)),
      calls_(std::make_unique<LocalCalls>()),
      no_rates_(0, deps_.clock),
      gate_({deps_.authenticator, no_rates_, deps_.log, deps_.clock}),
      streams_(config.max_streams),
      parsing_(kMaxParsing),
      channel_(deps_.server.channel) {}

JsonGateway::~JsonGateway() = default;

void JsonGateway::Close() {
  const std::lock_guard lock(mutex_);
  channel_ = nullptr;
}

std::shared_ptr<grpc::Channel> JsonGateway::Channel() const {
  const std::lock_guard lock(mutex_);
  return channel_;
}

HttpReply JsonGateway::Refuse(int status, const std::string& message) const {
  const grpc::StatusCode code = status == 403   ? grpc::StatusCode::PERMISSION_DENIED
                                : status == 408 ? grpc::StatusCode::DEADLINE_EXCEEDED
                                : status == 503 ? grpc::StatusCode::UNAVAILABLE
                                                : grpc::StatusCode::INVALID_ARGUMENT;
  return ErrorReply(status, code, message);
}

std::optional<HttpReply> JsonGateway::Judge(const HttpRequest& head) {
  if (IsDocument(head)) {
    HttpReply reply;
    reply.content_type = kJsonType;
    reply.body = document_;
    return reply;
  }
  const JsonMatch match = MatchOf(head);
  if (match.route == nullptr) return NoRoute(head.path() == kDocumentPath ? "GET" : match.verbs);
  if (match.route->has_body() && !IsJson(head)) {
    return ErrorReply(415, grpc::StatusCode::INVALID_ARGUMENT,
                      "a POST is Content-Type: application/json, also when it has no body");
  }
  const absl::StatusOr<Principal> caller = Recognize(*match.route, head);
  if (!caller.ok()) return ReplyTo(caller.status());
  return std::nullopt;
}

Task<HttpReply> JsonGateway::Handle(HttpRequest request) {
  if (auto judged = Judge(request)) co_return *std::move(judged);
  if (IsHistory(request)) co_return co_await AnswerHistory(std::move(request));
  JsonMatch match = MatchOf(request);
  co_return co_await Call(*match.route, std::move(match.name), std::move(request));
}

// Neither its rate nor its role: those are of the call, which is admitted as every other.
absl::StatusOr<Principal> JsonGateway::Recognize(const JsonRoute& route,
                                                 const HttpRequest& request) const {
  absl::StatusOr<Principal> caller = Authenticate(request.Values("authorization"));
  if (!caller.ok() && route.rpc.rule().audited && Channel() != nullptr) {
    gate_.Audit(route.rpc, {Principal(), request.peer, std::string()}, caller.status());
  }
  return caller;
}

absl::StatusOr<Principal> JsonGateway::Authenticate(
    const std::vector<std::string_view>& authorization) const {
  if (!std::ranges::all_of(authorization, IsPrintable)) {
    return Unauthenticated("the authorization field is no bearer token", "TOKEN_INVALID");
  }
  const std::lock_guard lock(mutex_);  // The authenticator is there until Close().
  if (channel_ == nullptr) return DrainingError();
  if (deps_.authenticator == nullptr) return Anybody();
  Evidence evidence;
  ASSIGN_OR_RETURN(evidence.bearer_token, ReadBearerToken(authorization));
  if (!evidence.bearer_token) {
    return Unauthenticated("this call needs a token: Authorization: Bearer <token>",
                           "TOKEN_MISSING");
  }
  return deps_.authenticator->Authenticate(evidence);
}

Task<HttpReply> JsonGateway::AnswerHistory(HttpRequest request) {
  const JsonMatch status = MatchOf(request);
  request.target = kStatusPath;
  HttpReply reply = co_await Call(*status.route, status.name, std::move(request));
  if (reply.status == 200) reply.body = HistoryJson(deps_.server.history->samples());
  co_return reply;
}

Task<HttpReply> JsonGateway::Call(const JsonRoute& route, std::string name, HttpRequest request) {
  absl::StatusOr<Begun> begun = co_await Begin(route, std::move(name), std::move(request));
  if (!begun.ok()) co_return ReplyTo(begun.status());
  if (MethodOf(route).server_streaming()) co_return co_await AnswerStream(*std::move(begun));
  co_return co_await AnswerOnce(*std::move(begun));
}

Task<absl::StatusOr<JsonGateway::Begun>> JsonGateway::Begin(const JsonRoute& route,
                                                            std::string name, HttpRequest request) {
  const google::protobuf::MethodDescriptor& method = MethodOf(route);
  LocalCallSpec spec{.method = Concat('/', method.service()->full_name(), '/', method.name())};
  for (const std::string_view value : request.Values("authorization")) {
    spec.metadata.emplace_back("authorization", value);
  }
  spec.metadata.emplace_back(kLocalPeerField, request.peer);
  spec.metadata.emplace_back(kLocalKeyField, deps_.server.key);
  WatchSlot slot;
  if (method.server_streaming()) {
    CO_ASSIGN_OR_RETURN(const Principal caller, Recognize(route, request));
    absl::StatusOr<WatchSlot> taken = streams_.Take(caller);
    if (!taken.ok()) co_return NoFreeStream(config_.max_streams);
    slot = *std::move(taken);
  } else {
    spec.deadline = deps_.clock.WallNow() + config_.call_timeout;
  }
  CO_ASSIGN_OR_RETURN(spec.request, co_await Serialize(route, std::move(name), std::move(request)));
  const std::shared_ptr<grpc::Channel> channel = Channel();
  if (channel == nullptr) co_return DrainingError();
  const auto executor = co_await asio::this_coro::executor;
  const auto call = std::make_shared<LocalCall>(*calls_, executor, RenderOf(route));
  grpc::GenericStub stub(channel);
  call->Start(stub, spec);
  co_return Begun{LocalCallGuard(call), std::move(slot)};
}

// The request goes with it: of a body that is read its bytes are left.
Task<absl::StatusOr<std::string>> JsonGateway::Serialize(const JsonRoute& route, std::string name,
                                                         HttpRequest request) {
  const bool is_stream = MethodOf(route).server_streaming();
  const std::vector<std::string_view> last_ids = request.Values("last-event-id");
  if (is_stream && last_ids.size() > 1) {
    co_return absl::InvalidArgumentError("there are several Last-Event-ID fields");
  }
  const JsonParameters parameters{.name = std::move(name),
                                  .query = QueryOf(request),
                                  .resume_token = is_stream && !last_ids.empty()
                                                      ? std::string(last_ids.front())
                                                      : std::string()};
  const Deadline deadline = Deadline::After(deps_.clock, config_.call_timeout);
  CO_ASSIGN_OR_RETURN(const Permit turn,
                      co_await parsing_.Acquire(1, deps_.clock, deadline, "reading the request"));
  co_return co_await deps_.runtime.blocking().Run(
      [&route, &parameters, &request] { return ReadRequest(route, parameters, request.body); });
}

Task<HttpReply> JsonGateway::AnswerOnce(Begun begun) {
  absl::StatusOr<std::string> answer = absl::InternalError("the call had no answer");
  LocalCall::News news = LocalCall::News::kNone;
  // The call's own deadline ends it.
  while (news != LocalCall::News::kEnded) {
    news = co_await begun.call->Await(deps_.clock, Deadline::Never());
    if (news == LocalCall::News::kMessage) answer = begun.call->TakeMessage();
  }
  const grpc::Status status = begun.call->status();
  if (!status.ok()) co_return ErrorReply(ToProtoStatus(status));
  if (!answer.ok()) co_return ReplyTo(answer.status());
  HttpReply reply;
  reply.content_type = kJsonType;
  reply.body = *std::move(answer);
  co_return reply;
}

Task<HttpReply> JsonGateway::AnswerStream(Begun begun) {
  // It is refused, or its server says that it has begun.
  const Deadline deadline = Deadline::After(deps_.clock, config_.call_timeout);
  const LocalCall::News news = co_await begun.call->Await(deps_.clock, deadline);
  if (news == LocalCall::News::kNone) {
    co_return ReplyTo(absl::DeadlineExceededError("the watch did not begin"));
  }
  if (news == LocalCall::News::kEnded) {
    const grpc::Status status = begun.call->status();
    if (!status.ok()) co_return ErrorReply(ToProtoStatus(status));
    HttpReply nothing_left;
    nothing_left.status = 204;  // EventSource comes back after any other, although told of the end.
    co_return nothing_left;
  }
  HttpReply reply;
  reply.content_type = "text/event-stream";
  reply.stream = std::make_unique<EventStream>(std::move(begun.call), std::move(begun.slot),
                                               deps_.clock, config_.keep_alive);
  co_return reply;
}

}  // namespace fetchd::rpc
