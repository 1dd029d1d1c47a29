#include "objstore/azure_answers.h"

#include <algorithm>
#include <utility>

#include "base/strings.h"
#include "objstore/xml.h"

namespace fetchd::objstore {

std::optional<AzureErrorBody> ReadAzureError(std::string_view body) {
  absl::StatusOr<XmlFields> fields = ReadXmlFields(body);
  if (!fields.ok() || !fields->contains("Error")) return std::nullopt;
  AzureErrorBody error{TakeXmlField(*fields, "Error/Code"), TakeXmlField(*fields, "Error/Message")};
  error.message.resize(std::min(error.message.find('\n'), error.message.size()));
  return error;
}

absl::StatusOr<BlockLists> ReadBlockLists(std::string_view body) {
  BlockLists lists;
  Block block;
  bool is_list = false;
  RETURN_IF_ERROR(ReadXml(body, [&](std::string_view path, std::string text) -> absl::Status {
    const bool committed = path.starts_with("BlockList/CommittedBlocks/Block");
    if (path == "BlockList") is_list = true;
    if (!committed && !path.starts_with("BlockList/UncommittedBlocks/Block")) {
      return absl::OkStatus();
    }
    if (path.ends_with("/Block")) {
      if (block.id.empty()) return UnexpectedXml("a block without its name");
      (committed ? lists.committed : lists.uncommitted).push_back(std::exchange(block, {}));
    } else if (path.ends_with("/Name")) {
      block.id = std::move(text);
    } else if (path.ends_with("/Size")) {
      const auto size = ParseDecimal(text);
      if (!size) return UnexpectedXml("a size that is no number");
      block.size_bytes = *size;
    }
    return absl::OkStatus();
  }));
  if (!is_list) return UnexpectedXml("not a list of blocks");
  return lists;
}

std::string ComposeBlockList(const std::vector<std::string>& ids) {
  std::string body = "<?xml version=\"1.0\" encoding=\"utf-8\"?><BlockList>";
  for (const std::string& id : ids) {
    body += Concat("<Uncommitted>", EscapeXml(id), "</Uncommitted>");
  }
  return body + "</BlockList>";
}

}  // namespace fetchd::objstore
