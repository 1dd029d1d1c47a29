// The bodies of the Blob service's answers (Azure Storage REST), and the one body that we send.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/status.h"

namespace fetchd::objstore {

/// <Error>: what it says, unchecked; what it does not say is empty.
struct AzureErrorBody {
  std::string code;
  std::string message;  ///< Its first line: the others repeat the request's id and the time.
};

/// nullopt: not an <Error>, or not XML.
std::optional<AzureErrorBody> ReadAzureError(std::string_view body);

struct Block {
  std::string id;  ///< Base64, as it was given.
  std::uint64_t size_bytes = 0;
  friend bool operator==(const Block&, const Block&) = default;
};

/// In the order of the blob, and in one of the service's own.
struct BlockLists {
  std::vector<Block> committed;
  std::vector<Block> uncommitted;
};

/// The largest answer of Get Block List: 50,000 blocks of the blob and 100,000 that wait, with ids
/// of 64 bytes.
inline constexpr std::size_t kMostBlockListBytes = std::size_t{32} << 20;

/// DATA_LOSS: not such a list.
absl::StatusOr<BlockLists> ReadBlockLists(std::string_view body);

/// <BlockList> of blocks that are not committed yet.
std::string ComposeBlockList(const std::vector<std::string>& ids);

}  // namespace fetchd::objstore
