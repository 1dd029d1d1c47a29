// Changes protobuf messages as messages: what comes out always parses, so that what judges their
// values is reached, and not the parser alone.
#pragma once

#include <google/protobuf/message.h>

#include <random>
#include <string>

namespace fetchd::testing {

/// One step of libFuzzer's. Debian has no libprotobuf-mutator.
class MessageMutator {
 public:
  explicit MessageMutator(unsigned seed) : random_(seed) {}

  /// Changes one field of `message` or of a message in it.
  void Mutate(google::protobuf::Message& message);
  /// Takes over one field of `from`, which is of the same type.
  void CrossOver(const google::protobuf::Message& from, google::protobuf::Message& to);

 private:
  using Message = google::protobuf::Message;
  using Field = google::protobuf::FieldDescriptor;

  std::size_t Below(std::size_t bound) { return random_() % bound; }
  void MutateRepeated(Message& message, const Field& field);
  void MutateSingular(Message& message, const Field& field);
  /// Of a singular field, or an element of a repeated one.
  void MutateElement(Message& message, const Field& field, int index);
  void MutateText(std::string& text);
  template <typename Number>
  Number MutateNumber(Number value);
  int MutateEnum(const Field& field);

  std::minstd_rand random_;
};

}  // namespace fetchd::testing
