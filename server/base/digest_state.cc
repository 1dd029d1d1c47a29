#include "base/digest_state.h"

#include <openssl/crypto.h>
#include <openssl/md5.h>
#include <openssl/sha.h>

#include <cstddef>

#include "base/big_endian.h"
#include "base/check.h"
#include "base/crc32c.h"

// EVP runs the same code and does not let its state be read. These calls do.
#pragma clang diagnostic push
#pragma clang diagnostic ignored "-Wdeprecated-declarations"

namespace fetchd {
namespace {

// What OpenSSL calls a hash of 32-bit words counts bits in two of them, one of 64-bit words in two
// of those.
template <typename Context>
void SetLength(Context& context, std::uint64_t size_bytes) {
  using Word = decltype(context.Nl);
  constexpr int kWordBits = 8 * sizeof(Word);
  context.Nl = static_cast<Word>(size_bytes) << 3;  // What is shifted out is in Nh.
  context.Nh = static_cast<Word>(size_bytes >> (kWordBits - 3));
}

struct Sha256 {
  using Context = SHA256_CTX;
  static constexpr std::size_t kDigestBytes = SHA256_DIGEST_LENGTH;
  static constexpr std::size_t kBlockBytes = SHA256_CBLOCK;
  static int Init(Context* context) { return SHA256_Init(context); }
  static int Update(Context* context, const void* data, std::size_t size) {
    return SHA256_Update(context, data, size);
  }
  static int Final(unsigned char* out, Context* context) { return SHA256_Final(out, context); }
  static auto Words(auto& context) { return std::span(context.h); }
  static auto* Block(auto& context) { return &context.data; }
};

struct Sha512 {
  using Context = SHA512_CTX;
  static constexpr std::size_t kDigestBytes = SHA512_DIGEST_LENGTH;
  static constexpr std::size_t kBlockBytes = SHA512_CBLOCK;
  static int Init(Context* context) { return SHA512_Init(context); }
  static int Update(Context* context, const void* data, std::size_t size) {
    return SHA512_Update(context, data, size);
  }
  static int Final(unsigned char* out, Context* context) { return SHA512_Final(out, context); }
  static auto Words(auto& context) { return std::span(context.h); }
  static auto* Block(auto& context) { return &context.u; }
};

struct Sha384 : Sha512 {
  static constexpr std::size_t kDigestBytes = SHA384_DIGEST_LENGTH;
  static int Init(Context* context) { return SHA384_Init(context); }
};

struct Md5 {
  using Context = MD5_CTX;
  static constexpr std::size_t kDigestBytes = MD5_DIGEST_LENGTH;
  static constexpr std::size_t kBlockBytes = MD5_CBLOCK;
  static int Init(Context* context) { return MD5_Init(context); }
  static int Update(Context* context, const void* data, std::size_t size) {
    return MD5_Update(context, data, size);
  }
  static int Final(unsigned char* out, Context* context) { return MD5_Final(out, context); }
  // A, B, C and D are the first members, one behind the other.
  static auto Words(auto& context) { return std::span(&context.A, 4); }
  static auto* Block(auto& context) { return &context.data; }
};
static_assert(offsetof(MD5_CTX, D) == 3 * sizeof(MD5_LONG));

template <typename Hash>
class OpenSslState final : public DigestState {
 public:
  OpenSslState() { FETCHD_CHECK(Hash::Init(&context_) == 1); }
  ~OpenSslState() override { OPENSSL_cleanse(&context_, sizeof context_); }
  OpenSslState(const OpenSslState&) = delete;
  OpenSslState& operator=(const OpenSslState&) = delete;

  void Update(std::span<const std::byte> bytes) override {
    FETCHD_CHECK(Hash::Update(&context_, bytes.data(), bytes.size()) == 1);
  }

  std::string Finish() override {
    std::string digest(Hash::kDigestBytes, '\0');
    FETCHD_CHECK(Hash::Final(reinterpret_cast<unsigned char*>(digest.data()), &context_) == 1);
    return digest;
  }

  std::string Save(std::uint64_t size_bytes) const override {
    std::string saved;
    for (const auto word : Hash::Words(context_)) PutBigEndian(word, saved);
    saved.append(reinterpret_cast<const char*>(Hash::Block(context_)),
                 size_bytes % Hash::kBlockBytes);
    return saved;
  }

  bool Load(std::string_view saved, std::uint64_t size_bytes) override {
    const auto words = Hash::Words(context_);
    const std::size_t in_block = size_bytes % Hash::kBlockBytes;
    if (saved.size() != words.size_bytes() + in_block) return false;
    for (auto& word : words) FETCHD_CHECK(TakeBigEndian(saved, word));
    saved.copy(reinterpret_cast<char*>(Hash::Block(context_)), in_block);
    context_.num = static_cast<unsigned>(in_block);
    SetLength(context_, size_bytes);
    return true;
  }

 private:
  typename Hash::Context context_{};
};

class Crc32cState final : public DigestState {
 public:
  void Update(std::span<const std::byte> bytes) override { crc_ = ExtendCrc32c(crc_, bytes); }
  std::string Finish() override { return Save(0); }
  std::string Save(std::uint64_t) const override {
    std::string saved;
    PutBigEndian(crc_, saved);
    return saved;
  }
  bool Load(std::string_view saved, std::uint64_t) override {
    return saved.size() == sizeof crc_ && TakeBigEndian(saved, crc_);
  }

 private:
  std::uint32_t crc_ = 0;
};

}  // namespace

std::unique_ptr<DigestState> MakeDigestState(DigestAlgorithm algorithm) {
  switch (algorithm) {
    case DigestAlgorithm::kSha256:
      return std::make_unique<OpenSslState<Sha256>>();
    case DigestAlgorithm::kSha384:
      return std::make_unique<OpenSslState<Sha384>>();
    case DigestAlgorithm::kSha512:
      return std::make_unique<OpenSslState<Sha512>>();
    case DigestAlgorithm::kMd5:
      return std::make_unique<OpenSslState<Md5>>();
    case DigestAlgorithm::kCrc32c:
      return std::make_unique<Crc32cState>();
  }
  FETCHD_CHECK(false);
}

}  // namespace fetchd

#pragma clang diagnostic pop
