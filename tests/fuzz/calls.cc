#include "fuzz/calls.h"

#include <google/protobuf/io/tokenizer.h>
#include <google/protobuf/text_format.h>

#include <algorithm>
#include <string_view>

#include "base/check.h"
#include "fuzz/message_mutator.h"

namespace fetchd::testing {
namespace {

/// A text that does not parse is no news here.
class Silent final : public google::protobuf::io::ErrorCollector {
 public:
  void AddError(int, int, const std::string&) override {}
};

/// Without the last calls when they do not fit; 0 when nothing does.
std::size_t Write(fuzz::Calls& calls, std::uint8_t* data, std::size_t max_size) {
  std::string text;
  while (true) {
    FETCHD_CHECK(google::protobuf::TextFormat::PrintToString(calls, &text));
    if (text.size() <= max_size) break;
    if (calls.calls().empty()) return 0;
    calls.mutable_calls()->RemoveLast();
  }
  std::ranges::copy(text, data);
  return text.size();
}

}  // namespace

bool ReadCalls(const std::uint8_t* data, std::size_t size, fuzz::Calls& calls) {
  Silent silent;
  google::protobuf::TextFormat::Parser parser;
  parser.RecordErrorsTo(&silent);
  return parser.ParseFromString(std::string(reinterpret_cast<const char*>(data), size), &calls);
}

const google::protobuf::Message* RequestOf(const fuzz::Call& call) {
  const auto* field = call.GetReflection()->GetOneofFieldDescriptor(
      call, call.GetDescriptor()->FindOneofByName("request"));
  return field == nullptr ? nullptr : &call.GetReflection()->GetMessage(call, field);
}

}  // namespace fetchd::testing

// libFuzzer's names.

extern "C" std::size_t LLVMFuzzerCustomMutator(std::uint8_t* data, std::size_t size,
                                               std::size_t max_size, unsigned seed) {
  fetchd::fuzz::Calls calls;
  if (!fetchd::testing::ReadCalls(data, size, calls)) calls.Clear();
  fetchd::testing::MessageMutator mutator(seed);
  mutator.Mutate(calls);
  return fetchd::testing::Write(calls, data, max_size);
}

extern "C" std::size_t LLVMFuzzerCustomCrossOver(const std::uint8_t* first, std::size_t first_size,
                                                 const std::uint8_t* second,
                                                 std::size_t second_size, std::uint8_t* out,
                                                 std::size_t max_size, unsigned seed) {
  fetchd::fuzz::Calls from, to;
  if (!fetchd::testing::ReadCalls(first, first_size, from)) from.Clear();
  if (!fetchd::testing::ReadCalls(second, second_size, to)) to.Clear();
  fetchd::testing::MessageMutator mutator(seed);
  mutator.CrossOver(from, to);
  return fetchd::testing::Write(to, out, max_size);
}
