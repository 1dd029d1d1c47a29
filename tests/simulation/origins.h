// The network: origins whose bodies change, and everything that goes wrong on the way.
#pragma once

#include <deque>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "jobs/job.h"
#include "simulation/dice.h"
#include "simulation/trace.h"
#include "support/fake_http_client.h"

namespace fetchd::simulation {

/// How often each fault comes, in [0, 1] of the answers.
struct Weather {
  double refused = 0, no_head = 0, status = 0, pushback = 0, redirected = 0;
  double range_ignored = 0, range_wrong = 0, unsatisfiable = 0;
  double reset = 0, short_body = 0, stall = 0, slow = 0, chunked = 0;
  double bare = 0;    ///< A part without validators, for who asked with If-Range has them.
  double change = 0;  ///< Of the body, before or during an answer.
  static Weather Of(Dice& dice);
};

/// One content of a resource, and by what the origin tells it from others.
struct Version {
  std::string bytes;
  std::string etag;           ///< Strong or weak; empty = none.
  std::string last_modified;  ///< Empty = none.
};

/// Answers as http::Client does. A resource is a scheme, host and path; "/r..." redirects to one of
/// two. Faults that no client can see are left out: no two bodies of a resource have one validator,
/// and no body is mixed within one answer.
class Origins {
 public:
  Origins(const Clock& clock, Dice& dice, Trace& trace, Weather weather);

  testing::FakeAnswer Answer(const http::Request& request);
  /// From now on everything works.
  void Calm() { weather_ = {}; }
  /// The body is another one, or again an earlier one: two servers behind one name.
  void Change(const std::string& name);

  /// Each content that a job with this specification may have fetched; the current one too. They
  /// stay where they are.
  std::vector<const Version*> VersionsFor(const jobs::FetchSpec& spec);
  const Version& Current(const std::string& name);

 private:
  struct Resource {
    std::deque<Version> versions;
    std::size_t current = 0;
    int validators = 0;  ///< Which kind of validator its versions have.
  };
  struct Wanted {
    std::optional<ByteRange> range;
    bool if_range_holds = true;
  };

  Resource& Open(const std::string& name);
  void AddVersion(Resource& resource);
  std::optional<testing::FakeAnswer> Refusal(const http::Request& request);
  testing::FakeAnswer Redirect(const http::Request& request);
  testing::FakeAnswer Whole(const Version& version, bool bare = false);
  testing::FakeAnswer Part(const Version& version, ByteRange range);
  static Wanted WantedBy(const http::Request& request, const Version& version);
  void FillBody(const std::string& resource, const std::string& bytes, testing::FakeAnswer& answer);
  std::string Date() const;

  const Clock& clock_;
  Dice& dice_;
  Trace& trace_;
  Weather weather_;
  std::map<std::string, Resource> resources_;
};

/// "http://host/path", as VersionsFor() and Change() name a resource.
std::string ResourceOf(const Url& url);

/// How long a client waits before it gives up on a silent origin.
inline constexpr Duration kPatience = std::chrono::seconds(2);

}  // namespace fetchd::simulation
