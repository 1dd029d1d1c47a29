// Calls any method of our services by its descriptor: what holds for every one of them is tested
// for every one, also for those that come.
#pragma once

#include <google/protobuf/descriptor.h>
#include <google/protobuf/dynamic_message.h>
#include <google/protobuf/message.h>
#include <google/protobuf/text_format.h>
#include <grpcpp/generic/generic_stub.h>
#include <grpcpp/grpcpp.h>
#include <gtest/gtest.h>

#include <chrono>
#include <memory>
#include <string>
#include <vector>

namespace fetchd::testing {

using MethodDescriptor = google::protobuf::MethodDescriptor;

/// Of fetchd.v1.
inline std::vector<const MethodDescriptor*> EveryMethod() {
  std::vector<const MethodDescriptor*> methods;
  for (const char* service : {"FetchService", "BatchService", "AdminService"}) {
    const auto* found = google::protobuf::DescriptorPool::generated_pool()->FindServiceByName(
        std::string("fetchd.v1.") + service);
    EXPECT_NE(found, nullptr) << service;
    for (int i = 0; found != nullptr && i < found->method_count(); ++i) {
      methods.push_back(found->method(i));
    }
  }
  return methods;
}

struct Outcome {
  grpc::Status status;
  std::vector<std::string>
      responses;  ///< As text; of a stream that does not end, those until then.

  std::string AllText() const {
    std::string text = status.error_message() + status.error_details();
    for (const std::string& response : responses) text += '\n' + response;
    return text;
  }
};

/// One request, and whatever is answered. Blocking.
inline Outcome CallMethod(const std::shared_ptr<grpc::Channel>& channel,
                          const MethodDescriptor& method, const google::protobuf::Message& request,
                          const std::string& token,
                          std::chrono::milliseconds timeout = std::chrono::seconds(20)) {
  auto* factory = google::protobuf::MessageFactory::generated_factory();
  grpc::ClientContext context;
  context.set_deadline(std::chrono::system_clock::now() + timeout);
  if (!token.empty()) context.AddMetadata("authorization", "Bearer " + token);
  grpc::CompletionQueue queue;
  const auto next = [&queue] {
    void* tag = nullptr;
    bool ok = false;
    return queue.Next(&tag, &ok) && ok;
  };
  grpc::GenericStub stub(channel);
  const std::string path = "/" + method.service()->full_name() + "/" + method.name();
  const auto call = stub.PrepareCall(&context, path, &queue);
  call->StartCall(nullptr);
  const std::string bytes = request.SerializeAsString();
  const grpc::Slice slice(bytes);
  if (next()) {
    call->WriteLast(grpc::ByteBuffer(&slice, 1), grpc::WriteOptions(), nullptr);
    next();
  }
  Outcome outcome;
  while (true) {
    grpc::ByteBuffer buffer;
    call->Read(&buffer, nullptr);
    if (!next()) break;
    grpc::Slice whole;
    EXPECT_TRUE(buffer.DumpToSingleSlice(&whole).ok());
    const std::unique_ptr<google::protobuf::Message> response(
        factory->GetPrototype(method.output_type())->New());
    EXPECT_TRUE(response->ParseFromArray(whole.begin(), static_cast<int>(whole.size())));
    outcome.responses.push_back(response->ShortDebugString());
  }
  call->Finish(&outcome.status, nullptr);
  next();
  return outcome;
}

inline Outcome CallMethod(const std::shared_ptr<grpc::Channel>& channel,
                          const MethodDescriptor& method, const std::string& request_text,
                          const std::string& token) {
  auto* factory = google::protobuf::MessageFactory::generated_factory();
  const std::unique_ptr<google::protobuf::Message> request(
      factory->GetPrototype(method.input_type())->New());
  EXPECT_TRUE(google::protobuf::TextFormat::ParseFromString(request_text, request.get()))
      << method.full_name() << ": " << request_text;
  return CallMethod(channel, method, *request, token);
}

}  // namespace fetchd::testing
