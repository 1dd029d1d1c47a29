// The whole service, called over gRPC by a caller who may send anything: every call is answered,
// and never with what would be a mistake of ours. It reaches no network: every address is denied,
// and the one name server is a closed port.
#include <gtest/gtest.h>
#include <unistd.h>

#include <chrono>
#include <filesystem>
#include <memory>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "app/application.h"
#include "app/config_loader.h"
#include "base/check.h"
#include "base/strings.h"
#include "fuzz/calls.h"
#include "unit/app/every_method.h"

namespace {

using fetchd::testing::MethodDescriptor;
using fetchd::testing::Outcome;
using google::protobuf::FieldDescriptor;
using google::protobuf::Message;

constexpr std::size_t kMostCalls = 12;
constexpr auto kUnary = std::chrono::seconds(20);
/// Streams may go on for ever: what comes first is enough.
constexpr auto kStream = std::chrono::milliseconds(30);

class Service {
 public:
  Service() {
    GTEST_FLAG_SET(break_on_failure, true);
    std::string pattern = (std::filesystem::temp_directory_path() / "fetchd-fuzz-XXXXXX").string();
    directory_ = mkdtemp(pattern.data());
    const auto loaded = fetchd::app::LoadConfig(
        {.settings = {"data_dir=" + directory_.string(), "grpc.listen=127.0.0.1:0",
                      "admin.listen=off", "egress.deny=[\"0.0.0.0/0\", \"::/0\"]",
                      "dns.servers=127.0.0.1:9", "retry.max_attempts=1", "shutdown.grace=0",
                      "log.level=error", "runtime.shards=2"}});
    FETCHD_CHECK(loaded.errors.empty());
    auto started = fetchd::app::Application::Start(loaded.config, "fuzz");
    FETCHD_CHECK(started.ok());
    application_ = *std::move(started);
    channel_ = grpc::CreateChannel(application_->address(), grpc::InsecureChannelCredentials());
    runner_ = std::jthread([this] { application_->Run(); });
  }
  ~Service() {
    application_->RequestStop();
    runner_.join();
    application_.reset();
    std::filesystem::remove_all(directory_);
  }
  Outcome Call(const MethodDescriptor& method, const Message& request) const {
    const bool streams = method.server_streaming() && !method.client_streaming();
    return fetchd::testing::CallMethod(channel_, method, request, "", streams ? kStream : kUnary);
  }

 private:
  std::filesystem::path directory_;
  std::unique_ptr<fetchd::app::Application> application_;
  std::shared_ptr<grpc::Channel> channel_;
  std::jthread runner_;
};

/// What earlier calls of this input made: "jobs/0" is names[0] of those that begin so.
using Names = std::vector<std::string>;

void PutName(std::string& text, std::string_view collection, const Names& names) {
  if (!text.starts_with(collection) || text.size() != collection.size() + 1) return;
  const auto index = static_cast<std::size_t>(text.back() - '0');
  if (index < names.size()) text = names[index];
}

void PutNames(Message& message, const Names& jobs, const Names& batches) {
  const auto& reflection = *message.GetReflection();
  std::vector<const FieldDescriptor*> fields;
  reflection.ListFields(message, &fields);
  for (const FieldDescriptor* field : fields) {
    const bool is_text = field->cpp_type() == FieldDescriptor::CPPTYPE_STRING;
    const bool is_message = field->cpp_type() == FieldDescriptor::CPPTYPE_MESSAGE;
    if (is_message && !field->is_repeated()) {
      PutNames(*reflection.MutableMessage(&message, field), jobs, batches);
    }
    if (!is_text) continue;
    const int count = field->is_repeated() ? reflection.FieldSize(message, field) : 1;
    for (int i = 0; i < count; ++i) {
      std::string text = field->is_repeated() ? reflection.GetRepeatedString(message, field, i)
                                              : reflection.GetString(message, field);
      PutName(text, "jobs/", jobs);
      PutName(text, "batches/", batches);
      field->is_repeated() ? reflection.SetRepeatedString(&message, field, i, text)
                           : reflection.SetString(&message, field, text);
    }
  }
}

void CheckOutcome(const MethodDescriptor& method, const Outcome& outcome) {
  const auto code = outcome.status.error_code();
  const bool ours = code == grpc::StatusCode::INTERNAL || code == grpc::StatusCode::UNKNOWN ||
                    code == grpc::StatusCode::DATA_LOSS || code == grpc::StatusCode::UNIMPLEMENTED;
  const bool late = code == grpc::StatusCode::DEADLINE_EXCEEDED && !method.server_streaming();
  if (!ours && !late) return;
  fprintf(stderr, "%s: %d %s\n", method.full_name().c_str(), code,
          outcome.status.error_message().c_str());
  FETCHD_CHECK(!ours && !late);
}

/// The name that an answer begins with, if it has one: answers are kept as text.
void NoteName(const Outcome& outcome, Names& jobs, Names& batches) {
  for (const std::string& response : outcome.responses) {
    const std::size_t begin = response.find('"');
    if (!response.starts_with("name: ")) continue;
    const std::string name = response.substr(begin + 1, response.find('"', begin + 1) - begin - 1);
    Names& names = name.starts_with("jobs/") ? jobs : batches;
    if (std::ranges::find(names, name) == names.end()) names.push_back(name);
  }
}

const std::vector<const MethodDescriptor*>& Methods() {
  static const auto* methods =
      new std::vector<const MethodDescriptor*>(fetchd::testing::EveryMethod());
  return *methods;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static const Service service;
  fetchd::fuzz::Calls calls;
  if (!fetchd::testing::ReadCalls(data, size, calls)) return -1;
  Names jobs, batches;
  for (std::size_t i = 0; i < std::min<std::size_t>(calls.calls_size(), kMostCalls); ++i) {
    const Message* request = fetchd::testing::RequestOf(calls.calls(static_cast<int>(i)));
    if (request == nullptr) continue;
    const std::unique_ptr<Message> named(request->New());
    named->CopyFrom(*request);
    PutNames(*named, jobs, batches);
    for (const MethodDescriptor* method : Methods()) {
      if (method->input_type() != named->GetDescriptor()) continue;
      const Outcome outcome = service.Call(*method, *named);
      CheckOutcome(*method, outcome);
      NoteName(outcome, jobs, batches);
    }
  }
  return 0;
}
