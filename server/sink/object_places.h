// The stores of objects that destinations may name.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "objstore/object_store.h"

namespace fetchd::sink {

/// One of the configuration's.
struct ObjectPlace {
  std::string name;    ///< As configured: "s3+<name>://bucket/key" asks for it.
  std::string scheme;  ///< "s3", "gs" or "azblob".
  /// Which it serves of those that are asked for without a name; empty = all.
  std::vector<std::string> buckets;
  bool sources = false;  ///< Jobs may fetch from it, too: of `buckets` alone, where there are any.
  std::uint64_t part_bytes = std::uint64_t{8} << 20;  ///< Of the first parts; later ones grow.
  int parts_in_flight = 4;                            ///< Of one object.
  objstore::ObjectAttributes attributes;              ///< Of every object written.
  std::vector<std::unique_ptr<objstore::ObjectStore>> by_shard;
};

}  // namespace fetchd::sink
