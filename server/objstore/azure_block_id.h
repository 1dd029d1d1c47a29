// Which block is which part of which upload. The service knows blocks of a blob, not uploads: that
// a block belongs to one is said by its id.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace fetchd::objstore {

/// 32 random hexadecimal digits: no two uploads of a blob have a block in common.
std::string NewUploadId();
bool IsUploadId(std::string_view text);

/// Base64, of the same length for all uploads and parts, as the service demands of the blocks of a
/// blob. `upload` is an upload's id, `number` from 1 to 10,000.
std::string BlockId(std::string_view upload, int number);

struct BlockPlace {
  std::string upload;
  int number = 0;
};
/// nullopt: not what BlockId() made.
std::optional<BlockPlace> ParseBlockId(std::string_view block_id);

}  // namespace fetchd::objstore
