// In whose name something is contacted.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <utility>

#include "egress/policy.h"

namespace fetchd::egress {

struct Subject;

/// Is told of each decision, when it is made. Thread-safe; outlives the subjects that name it.
class DecisionLog {
 public:
  virtual ~DecisionLog() = default;
  /// `url` holds no secret: Url::Redacted(), or an origin.
  virtual void Note(const Subject& subject, std::string_view url, const Judgement& judgement) = 0;
};

/// Travels with a request to every place that asks a policy. Immutable.
struct Subject {
  explicit Subject(std::shared_ptr<const Policy> its_policy) : policy(std::move(its_policy)) {}

  void Note(std::string_view url, const Judgement& judgement) const {
    if (decisions != nullptr) decisions->Note(*this, url, judgement);
  }

  std::shared_ptr<const Policy> policy;  ///< Never null.
  /// For the operator's stores, where objects are fetched for it; null: no rules of its own.
  std::shared_ptr<const Policy> store_policy;
  std::string tenant;
  std::string job;                   ///< "jobs/01h2xc..."; empty: no job.
  DecisionLog* decisions = nullptr;  ///< Null: nobody is told.
};

/// Null: whoever contacts has a policy of its own for that.
using SubjectPtr = std::shared_ptr<const Subject>;

}  // namespace fetchd::egress
