#include "objstore/azure_requester.h"

#include <utility>

#include "base/http_date.h"
#include "base/strings.h"
#include "objstore/azure_error.h"
#include "objstore/azure_sign.h"

namespace fetchd::objstore {

absl::StatusOr<http::Request> AzureRequester::Compose(const StoreOperation& operation) const {
  std::string query = operation.query;
  if (!by_key()) query += Concat(query.empty() ? "" : "&", access_.sas_token.Reveal());
  ASSIGN_OR_RETURN(Url url, AzureUrlFor(config_, operation.bucket, operation.key, query));
  http::Request request(std::move(url));
  request.method = operation.method;
  request.headers = operation.headers;
  request.body = operation.body;
  request.tls_profile = config_.tls_profile;
  request.proxy = config_.proxy;
  request.headers.push_back({"x-ms-version", kAzureVersion});
  if (!by_key()) return request;
  request.headers.push_back({"x-ms-date", FormatHttpDate(requests_.WallNow())});
  const SharedKeyRequest signable{request.method, std::string(request.url.path()),
                                  std::string(request.url.query()), request.headers,
                                  http::SizeOf(request.body)};
  request.headers.push_back(
      {"Authorization", SharedKeyAuthorization(config_.account, access_.account_key, signable)});
  return request;
}

class AzureRequester::Author final : public RequestAuthor {
 public:
  Author(const AzureRequester& requester, const StoreOperation& operation)
      : requester_(requester), operation_(operation) {}

  Task<absl::StatusOr<http::Request>> Write() override { co_return requester_.Compose(operation_); }
  bool IsFailure(const Answer& answer) const override { return !IsSuccess(answer.status); }
  StoreFailure Judge(const Answer& answer, WallTime now) const override {
    return JudgeAzureFailure(requester_.ContextOf(operation_), answer, now, requester_.by_key());
  }
  bool Learn(const StoreFailure&) override { return false; }

 private:
  const AzureRequester& requester_;
  const StoreOperation& operation_;
};

Task<StoreReply> AzureRequester::Send(StoreOperation operation) {
  Author author(*this, operation);
  co_return co_await requests_.Send(operation, author);
}

Task<absl::StatusOr<http::Response>> AzureRequester::Fetch(StoreOperation operation,
                                                           http::Call call) {
  Author author(*this, operation);
  co_return co_await requests_.Fetch(operation, author, call);
}

}  // namespace fetchd::objstore
