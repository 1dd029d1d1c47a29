// What the store keeps of jobs, read back from a file that was damaged or put in its place: it is
// read or refused, and what is read can be written and read again.
#include <fuzzer/FuzzedDataProvider.h>

#include <string>

#include "base/check.h"
#include "base/digest.h"
#include "store/batch_codec.h"
#include "store/object_codec.h"
#include "store/record_codec.h"
#include "store/spec_codec.h"
#include "store/spec_secrets.h"

namespace {

using namespace fetchd::store;

template <typename Decoder, typename Encoder>
void CheckRoundTrip(const std::string& text, Decoder decode, Encoder encode) {
  const auto value = decode(text);
  if (!value.ok()) {
    FETCHD_CHECK(absl::IsDataLoss(value.status()));
    return;
  }
  const std::string kept = encode(*value);
  const auto again = decode(kept);
  FETCHD_CHECK(again.ok() && encode(*again) == kept);
}

void CheckSpec(const std::string& spec_text, const std::string& secrets) {
  const auto spec = DecodeSpec(spec_text, secrets);
  if (!spec.ok()) {
    FETCHD_CHECK(absl::IsDataLoss(spec.status()));
    return;
  }
  const auto again = DecodeSpec(EncodeSpec(*spec), EncodeSecrets(*spec));
  FETCHD_CHECK(again.ok() && *again == *spec);
}

void CheckDigestState(const std::string& saved) {
  auto digester = fetchd::Digester::Load(saved);
  if (!digester) return;
  FETCHD_CHECK(digester->Save() == saved);
  FETCHD_CHECK(digester->Finish().size() == digester->algorithms().size());
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  FuzzedDataProvider input(data, size);
  const int kind = input.ConsumeIntegralInRange(0, 9);
  if (kind == 0) {
    const std::string secrets = input.ConsumeRandomLengthString();
    CheckSpec(input.ConsumeRemainingBytesAsString(), secrets);
    return 0;
  }
  const std::string text = input.ConsumeRemainingBytesAsString();
  switch (kind) {
    case 1:
      CheckRoundTrip(text, DecodeCheckpoint, EncodeCheckpoint);
      break;
    case 2:
      CheckRoundTrip(text, DecodeUrlMemory, EncodeUrlMemory);
      break;
    case 3:
      CheckRoundTrip(text, DecodeResult, EncodeResult);
      break;
    case 4:
      CheckRoundTrip(text, DecodeAttempt, EncodeAttempt);
      break;
    case 5:
      CheckRoundTrip(text, DecodeDefaults, EncodeDefaults);
      break;
    case 6:
      CheckRoundTrip(text, DecodeObject, EncodeObject);
      break;
    case 7:
      CheckRoundTrip(text, DecodeMoreDestinations, EncodeMoreDestinations);
      break;
    case 8:
      CheckRoundTrip(text, DecodeLabels, EncodeLabels);
      break;
    default:
      CheckDigestState(text);
  }
  absl::Status status;
  if (DecodeStatus(text, status).ok()) {
    absl::Status again;
    FETCHD_CHECK(DecodeStatus(EncodeStatus(status), again).ok() && again == status);
  }
  return 0;
}
