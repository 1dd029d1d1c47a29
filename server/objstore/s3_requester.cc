#include "objstore/s3_requester.h"

#include <utility>

#include "base/strings.h"
#include "objstore/s3_answers.h"
#include "objstore/s3_error.h"
#include "objstore/sigv4.h"

namespace fetchd::objstore {
namespace {

/// Buckets whose region is remembered.
constexpr std::size_t kMostRegions = 1000;

/// A NOT_FOUND of theirs is none of an object.
absl::Status NoCredentials(const absl::Status& status) {
  absl::StatusCode code = status.code();
  if (absl::IsNotFound(status) || absl::IsInvalidArgument(status)) {
    code = absl::StatusCode::kFailedPrecondition;
  } else if (MayPass(status)) {
    code = absl::StatusCode::kUnavailable;
  }
  return absl::Status(code, MessageOf(status));
}

}  // namespace

const std::string& S3Requester::RegionOf(const std::string& bucket) const {
  const auto found = regions_.find(bucket);
  return found == regions_.end() ? config_.region : found->second;
}

bool S3Requester::LearnRegion(const std::string& bucket, const std::string& region) {
  if (region.empty() || region == RegionOf(bucket)) return false;
  if (regions_.size() >= kMostRegions) regions_.clear();
  regions_[bucket] = region;
  return true;
}

absl::StatusOr<http::Request> S3Requester::Compose(const StoreOperation& operation,
                                                   const AwsCredentials& credentials) const {
  const std::string& region = RegionOf(operation.bucket);
  ASSIGN_OR_RETURN(Url url,
                   UrlFor(config_, region, operation.bucket, operation.key, operation.query));
  http::Request request(std::move(url));
  request.method = operation.method;
  request.headers = operation.headers;
  request.body = operation.body;
  request.tls_profile = config_.tls_profile;
  request.proxy = config_.proxy;
  const std::string payload =
      operation.body_sha256.empty() ? std::string(kUnsignedPayload) : operation.body_sha256;
  request.headers.push_back({"x-amz-content-sha256", payload});
  SignableRequest signable{request.method, std::string(request.url.path()),
                           std::string(request.url.query()), request.headers, payload};
  signable.headers.push_back({"host", request.url.host_header()});
  const SigV4 sigv4({region, "s3"}, requests_.WallNow());
  const SigningKey key{credentials.access_key_id, credentials.secret_access_key,
                       credentials.session_token};
  for (http::Header& header : sigv4.SignHeaders(std::move(signable), key)) {
    request.headers.push_back(std::move(header));
  }
  return request;
}

class S3Requester::Author final : public RequestAuthor {
 public:
  Author(S3Requester& requester, const StoreOperation& operation)
      : requester_(requester), operation_(operation) {}

  Task<absl::StatusOr<http::Request>> Write() override {
    auto credentials = co_await requester_.credentials_.Get();
    if (!credentials.ok()) co_return NoCredentials(credentials.status());
    used_ = *std::move(credentials);
    co_return requester_.Compose(operation_, used_);
  }
  bool IsFailure(const Answer& answer) const override {
    return !IsSuccess(answer.status) || (operation_.slow && ReadError(answer.body).has_value());
  }
  StoreFailure Judge(const Answer& answer, WallTime now) const override {
    return JudgeFailure(requester_.ContextOf(operation_), answer, now);
  }
  bool Learn(const StoreFailure& failure) override {
    if (!moved_ && requester_.LearnRegion(operation_.bucket, failure.region)) return moved_ = true;
    if (renewed_ || !failure.credentials_expired) return false;
    requester_.credentials_.Forget(used_);
    return renewed_ = true;
  }

 private:
  S3Requester& requester_;
  const StoreOperation& operation_;
  AwsCredentials used_;
  bool moved_ = false, renewed_ = false;
};

Task<StoreReply> S3Requester::Send(StoreOperation operation) {
  Author author(*this, operation);
  co_return co_await requests_.Send(operation, author);
}

Task<absl::StatusOr<http::Response>> S3Requester::Fetch(StoreOperation operation, http::Call call) {
  Author author(*this, operation);
  co_return co_await requests_.Fetch(operation, author, call);
}

}  // namespace fetchd::objstore
