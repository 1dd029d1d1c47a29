#include "fuzz/message_mutator.h"

#include <array>
#include <cstdint>
#include <limits>
#include <vector>

#include "base/utf8.h"

extern "C" std::size_t LLVMFuzzerMutate(std::uint8_t* data, std::size_t size, std::size_t max_size);

namespace fetchd::testing {
namespace {

using google::protobuf::Descriptor;
using google::protobuf::FieldDescriptor;
using google::protobuf::Message;
using google::protobuf::Reflection;

constexpr std::size_t kMostElements = 16;
constexpr std::size_t kMostTextGrowth = 64;
/// What the rules of the service speak of.
constexpr std::array<const char*, 30> kTexts = {"",
                                                "jobs/0",
                                                "jobs/1",
                                                "batches/0",
                                                "http://a.test/f",
                                                "https://b.test/g?h=i",
                                                "s3://b/k",
                                                "file:{host}/{path}",
                                                "file:a/../b",
                                                "discard:",
                                                "{job}",
                                                "{basename}",
                                                "sha256:00",
                                                "md5-1B2M2Y8AsgTpgAmY7PhCfg==",
                                                "Range",
                                                "Authorization",
                                                "bytes=0-",
                                                "\r\nX: y",
                                                "\"etag\"",
                                                "W/\"weak\"",
                                                "*",
                                                "direct",
                                                "default",
                                                "mine",
                                                "[::1]",
                                                "169.254.169.254",
                                                "%00",
                                                "{\"a\":1}",
                                                "http://[::ffff:10.0.0.1]:80/",
                                                "azblob+x://c/k"};

/// `message` and all that are in it.
void Collect(Message& message, std::vector<Message*>& all) {
  all.push_back(&message);
  const Reflection& reflection = *message.GetReflection();
  std::vector<const FieldDescriptor*> fields;
  reflection.ListFields(message, &fields);
  for (const FieldDescriptor* field : fields) {
    if (field->cpp_type() != FieldDescriptor::CPPTYPE_MESSAGE) continue;
    if (!field->is_repeated()) {
      Collect(*reflection.MutableMessage(&message, field), all);
      continue;
    }
    for (int i = 0; i < reflection.FieldSize(message, field); ++i) {
      Collect(*reflection.MutableRepeatedMessage(&message, field, i), all);
    }
  }
}

template <typename T>
struct Access;  // Get and set of a type, in a singular field (index < 0) or in a repeated one.
#define FETCHD_ACCESS(Type, Name)                                                            \
  template <>                                                                                \
  struct Access<Type> {                                                                      \
    static Type Get(const Message& message, const FieldDescriptor& field, int index) {       \
      const Reflection& reflection = *message.GetReflection();                               \
      return index < 0 ? reflection.Get##Name(message, &field)                               \
                       : reflection.GetRepeated##Name(message, &field, index);               \
    }                                                                                        \
    static void Set(Message& message, const FieldDescriptor& field, int index, Type value) { \
      const Reflection& reflection = *message.GetReflection();                               \
      if (index < 0) return reflection.Set##Name(&message, &field, std::move(value));        \
      reflection.SetRepeated##Name(&message, &field, index, std::move(value));               \
    }                                                                                        \
  }
FETCHD_ACCESS(std::int32_t, Int32);
FETCHD_ACCESS(std::int64_t, Int64);
FETCHD_ACCESS(std::uint32_t, UInt32);
FETCHD_ACCESS(std::uint64_t, UInt64);
FETCHD_ACCESS(double, Double);
FETCHD_ACCESS(float, Float);
FETCHD_ACCESS(bool, Bool);
FETCHD_ACCESS(std::string, String);
#undef FETCHD_ACCESS

void AddElement(Message& message, const FieldDescriptor& field) {
  const Reflection& reflection = *message.GetReflection();
  switch (field.cpp_type()) {
    case FieldDescriptor::CPPTYPE_MESSAGE:
      reflection.AddMessage(&message, &field);
      return;
    case FieldDescriptor::CPPTYPE_STRING:
      return reflection.AddString(&message, &field, "");
    case FieldDescriptor::CPPTYPE_ENUM:
      return reflection.AddEnumValue(&message, &field, 0);
    case FieldDescriptor::CPPTYPE_INT32:
      return reflection.AddInt32(&message, &field, 0);
    case FieldDescriptor::CPPTYPE_INT64:
      return reflection.AddInt64(&message, &field, 0);
    case FieldDescriptor::CPPTYPE_UINT32:
      return reflection.AddUInt32(&message, &field, 0);
    case FieldDescriptor::CPPTYPE_UINT64:
      return reflection.AddUInt64(&message, &field, 0);
    case FieldDescriptor::CPPTYPE_DOUBLE:
      return reflection.AddDouble(&message, &field, 0);
    case FieldDescriptor::CPPTYPE_FLOAT:
      return reflection.AddFloat(&message, &field, 0);
    case FieldDescriptor::CPPTYPE_BOOL:
      return reflection.AddBool(&message, &field, false);
  }
}

}  // namespace

void MessageMutator::Mutate(Message& message) {
  std::vector<Message*> all;
  Collect(message, all);
  Message& chosen = *all[Below(all.size())];
  const Descriptor& type = *chosen.GetDescriptor();
  if (type.field_count() == 0) return;
  const Field& field = *type.field(static_cast<int>(Below(type.field_count())));
  field.is_repeated() ? MutateRepeated(chosen, field) : MutateSingular(chosen, field);
}

void MessageMutator::CrossOver(const Message& from, Message& to) {
  std::vector<const Field*> fields;
  from.GetReflection()->ListFields(from, &fields);
  if (fields.empty()) return to.CopyFrom(from);
  const Field& field = *fields[Below(fields.size())];
  const std::unique_ptr<Message> part(from.New());
  part->CopyFrom(from);
  for (const Field* other : fields) {
    if (other != &field) part->GetReflection()->ClearField(part.get(), other);
  }
  to.MergeFrom(*part);  // Elements of a repeated field are added.
}

void MessageMutator::MutateRepeated(Message& message, const Field& field) {
  const Reflection& reflection = *message.GetReflection();
  const int size = reflection.FieldSize(message, &field);
  if (size == 0 || (Below(3) == 0 && size < static_cast<int>(kMostElements))) {
    AddElement(message, field);
    return MutateElement(message, field, size);
  }
  const int index = static_cast<int>(Below(size));
  switch (Below(3)) {
    case 0:
      reflection.SwapElements(&message, &field, index, size - 1);
      return reflection.RemoveLast(&message, &field);
    case 1:
      return reflection.SwapElements(&message, &field, index, static_cast<int>(Below(size)));
    default:
      return MutateElement(message, field, index);
  }
}

void MessageMutator::MutateSingular(Message& message, const Field& field) {
  const Reflection& reflection = *message.GetReflection();
  const bool clear =
      Below(5) == 0 && (!field.has_presence() || reflection.HasField(message, &field));
  if (clear) return reflection.ClearField(&message, &field);
  MutateElement(message, field, -1);
}

void MessageMutator::MutateElement(Message& message, const Field& field, int index) {
  const auto change = [&]<typename T>(T) {
    Access<T>::Set(message, field, index, MutateNumber(Access<T>::Get(message, field, index)));
  };
  const Reflection& reflection = *message.GetReflection();
  switch (field.cpp_type()) {
    case Field::CPPTYPE_MESSAGE:
      return Mutate(index < 0 ? *reflection.MutableMessage(&message, &field)
                              : *reflection.MutableRepeatedMessage(&message, &field, index));
    case Field::CPPTYPE_STRING: {
      std::string text = Access<std::string>::Get(message, field, index);
      MutateText(text);
      return Access<std::string>::Set(message, field, index, std::move(text));
    }
    case Field::CPPTYPE_ENUM: {
      const int value = MutateEnum(field);
      return index < 0 ? reflection.SetEnumValue(&message, &field, value)
                       : reflection.SetRepeatedEnumValue(&message, &field, index, value);
    }
    case Field::CPPTYPE_BOOL:
      return Access<bool>::Set(message, field, index, !Access<bool>::Get(message, field, index));
    case Field::CPPTYPE_INT32:
      return change(std::int32_t());
    case Field::CPPTYPE_INT64:
      return change(std::int64_t());
    case Field::CPPTYPE_UINT32:
      return change(std::uint32_t());
    case Field::CPPTYPE_UINT64:
      return change(std::uint64_t());
    case Field::CPPTYPE_DOUBLE:
      return change(double());
    case Field::CPPTYPE_FLOAT:
      return change(float());
  }
}

void MessageMutator::MutateText(std::string& text) {
  const std::string known = kTexts[Below(kTexts.size())];
  switch (Below(6)) {
    case 0:
      text = known;
      return;
    case 1:
      text.insert(Below(text.size() + 1), known);
      return;
    default:
      break;
  }
  std::string bytes = text;
  bytes.resize(text.size() + kMostTextGrowth);
  const std::size_t size =
      LLVMFuzzerMutate(reinterpret_cast<std::uint8_t*>(bytes.data()), text.size(), bytes.size());
  bytes.resize(size);
  text = ToUtf8(bytes);  // Else the message would not parse.
}

template <typename Number>
Number MessageMutator::MutateNumber(Number value) {
  using Limits = std::numeric_limits<Number>;
  switch (Below(8)) {
    case 0:
      return 0;
    case 1:
      return 1;
    case 2:
      return Limits::max();
    case 3:
      return Limits::lowest();
    case 4:
      return Limits::has_quiet_NaN ? Limits::quiet_NaN() : static_cast<Number>(Limits::max() - 1);
    case 5:
      return value < Limits::max() ? static_cast<Number>(value + 1) : value;
    case 6:
      return value > Limits::lowest() ? static_cast<Number>(value - 1) : value;
    default:
      return static_cast<Number>(Below(100'000));
  }
}

int MessageMutator::MutateEnum(const Field& field) {
  const auto& type = *field.enum_type();
  if (Below(8) == 0) return static_cast<int>(Below(1000)) - 500;  // One that a newer caller knows.
  return type.value(static_cast<int>(Below(type.value_count())))->number();
}

}  // namespace fetchd::testing
