// An S3Store whose store is a script.
#pragma once

#include <memory>

#include "objstore/s3_store.h"
#include "store_script.h"

namespace fetchd::objstore {

class S3StoreTest : public ScriptedStoreTest {
 protected:
  S3StoreTest() {
    config_.name = "backup";
    config_.endpoint = *Url::Parse("http://store.test:9000");
    config_.path_style = true;
  }

  S3Store& store() {
    if (store_ == nullptr) {
      store_ = std::make_unique<S3Store>(config_, client_, credentials_, cooldown_, loop_.clock(),
                                         [this] { return uniform_; });
    }
    return *store_;
  }

  static constexpr char kHead[] = "HEAD /b/k";

  S3Config config_;
  StaticCredentials credentials_{{"AKID", Secret("hunter2"), Secret("token"), {}}};
  std::unique_ptr<S3Store> store_;
};

}  // namespace fetchd::objstore
