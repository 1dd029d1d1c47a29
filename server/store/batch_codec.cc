#include "store/batch_codec.h"

#include <stdexcept>
#include <utility>

#include "store/json.h"
#include "store/spec_codec.h"

namespace fetchd::store {
namespace {

jobs::JobDefaults DefaultsFromJson(const json::value& value) {
  const json::object& object = value.as_object();
  jobs::JobDefaults defaults;
  defaults.destination = GetText(object, "destination");
  auto overwrite = ParseOverwrite(Text(object.at("overwrite")));
  if (!overwrite.ok()) throw std::invalid_argument(MessageOf(overwrite.status()));
  defaults.overwrite = *overwrite;
  defaults.priority = object.at("priority").to_number<int>();
  defaults.tenant = GetText(object, "tenant");
  auto labels = DecodeLabels(Text(object.at("labels")));
  if (!labels.ok()) throw std::invalid_argument(MessageOf(labels.status()));
  defaults.labels = *std::move(labels);
  if (const auto deadline = GetOptional<Duration>(object, "deadline_at")) {
    defaults.deadline_at = WallTime(*deadline);
  }
  return defaults;
}

}  // namespace

std::string EncodeDefaults(const jobs::JobDefaults& defaults) {
  json::object object;
  PutText(object, "destination", defaults.destination);
  object["overwrite"] = OverwriteName(defaults.overwrite);
  object["priority"] = defaults.priority;
  PutText(object, "tenant", defaults.tenant);
  object["labels"] = View(EncodeLabels(defaults.labels));
  if (defaults.deadline_at) {
    object["deadline_at"] = Duration(defaults.deadline_at->time_since_epoch()).count();
  }
  return json::serialize(object);
}

absl::StatusOr<jobs::JobDefaults> DecodeDefaults(std::string_view text) {
  return Decode("set of defaults", text, DefaultsFromJson);
}

}  // namespace fetchd::store
