// An AzureStore whose service is a script.
#pragma once

#include <memory>

#include "objstore/azure_store.h"
#include "store_script.h"

namespace fetchd::objstore {

class AzureStoreTest : public ScriptedStoreTest {
 protected:
  AzureStoreTest() {
    config_.name = "backup";
    config_.account = "acct1";
    config_.endpoint = *Url::Parse("http://azure.test:9000/acct1");
  }

  AzureStore& store() {
    if (store_ == nullptr) {
      store_ = std::make_unique<AzureStore>(config_, access_, client_, cooldown_, loop_.clock(),
                                            [this] { return uniform_; });
    }
    return *store_;
  }
  /// An answer without a body, as HEAD has it.
  static FakeAnswer SayCode(int status, const std::string& code) {
    return Say(status, "", {{"x-ms-error-code", code}});
  }
  static std::string BlockXml(const std::string& id, std::uint64_t size) {
    return Concat("<Block><Name>", id, "</Name><Size>", size, "</Size></Block>");
  }
  static FakeAnswer SayBlocks(std::string_view committed, std::string_view uncommitted) {
    return Say(200, Concat("\xef\xbb\xbf<?xml version=\"1.0\"?><BlockList><CommittedBlocks>",
                           committed, "</CommittedBlocks><UncommittedBlocks>", uncommitted,
                           "</UncommittedBlocks></BlockList>"));
  }

  const ObjectName blob_{"con", "k"};
  AzureConfig config_;
  AzureAccess access_{Secret("secret key"), Secret()};
  std::unique_ptr<AzureStore> store_;
};

}  // namespace fetchd::objstore
