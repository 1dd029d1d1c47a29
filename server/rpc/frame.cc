#include "rpc/frame.h"

#include <grpcpp/support/slice.h>

#include <array>
#include <string>
#include <utility>
#include <vector>

namespace fetchd::rpc {
namespace {

// Protobuf wire format: a key is field number << 3 | type; 0 = varint, 2 = length-delimited.
constexpr char kOffsetKey = 1 << 3 | 0;  // Chunk.offset, ReadBodyResponse.offset
constexpr char kDataKey = 2 << 3 | 2;    // Chunk.data, ReadBodyResponse.data
constexpr char kChunkKey = 2 << 3 | 2;   // FetchResponse.chunk

void AppendVarint(std::uint64_t value, std::string& out) {
  for (; value >= 0x80; value >>= 7) out += static_cast<char>(value | 0x80);
  out += static_cast<char>(value);
}

/// {offset, data} up to where the bytes of `data` begin.
std::string BodyHeader(std::uint64_t offset, std::size_t size) {
  std::string header;
  if (offset != 0) {
    header += kOffsetKey;
    AppendVarint(offset, header);
  }
  header += kDataKey;
  AppendVarint(size, header);
  return header;
}

struct Loan {
  Loan(sink::Buffer loaned_bytes, LoanTerms loan_terms)
      : bytes(std::move(loaned_bytes)), terms(std::move(loan_terms)) {
    terms.account->Add();
  }
  ~Loan() {
    bytes = sink::Buffer();
    terms.permit.Release();
    terms.account->Remove();
  }
  Loan(const Loan&) = delete;
  Loan& operator=(const Loan&) = delete;

  sink::Buffer bytes;
  LoanTerms terms;
};

grpc::Slice LoanSlice(sink::Buffer bytes, LoanTerms terms) {
  auto loan = std::make_unique<Loan>(std::move(bytes), std::move(terms));
  const auto view = loan->bytes.bytes();
  // gRPC only reads; its C signature takes a plain pointer.
  void* data = const_cast<std::byte*>(view.data());
  return grpc::Slice(
      data, view.size(), [](void* user_data) { delete static_cast<Loan*>(user_data); },
      loan.release());
}

grpc::ByteBuffer Frame(const std::string& header, sink::Buffer bytes, LoanTerms terms) {
  const std::array<grpc::Slice, 2> slices{grpc::Slice(header),
                                          LoanSlice(std::move(bytes), std::move(terms))};
  return grpc::ByteBuffer(slices.data(), slices.size());
}

}  // namespace

void LoanedBuffers::Add() {
  const std::lock_guard lock(mutex_);
  ++count_;
}

void LoanedBuffers::Remove() {
  const std::lock_guard lock(mutex_);
  if (--count_ == 0) returned_.notify_all();
}

bool LoanedBuffers::WaitUntilNone(Duration timeout) {
  std::unique_lock lock(mutex_);
  return returned_.wait_for(lock, timeout, [this] { return count_ == 0; });
}

grpc::ByteBuffer FrameFetchChunk(std::uint64_t offset, sink::Buffer bytes, LoanTerms terms) {
  const std::string inner = BodyHeader(offset, bytes.size());
  std::string header(1, kChunkKey);
  AppendVarint(inner.size() + bytes.size(), header);
  return Frame(header + inner, std::move(bytes), std::move(terms));
}

grpc::ByteBuffer FrameReadBody(std::uint64_t offset, sink::Buffer bytes, LoanTerms terms) {
  const std::string header = BodyHeader(offset, bytes.size());
  return Frame(header, std::move(bytes), std::move(terms));
}

grpc::ByteBuffer FrameMessage(const google::protobuf::MessageLite& message) {
  const grpc::Slice slice(message.SerializeAsString());
  return grpc::ByteBuffer(&slice, 1);
}

bool ParseMessage(const grpc::ByteBuffer& bytes, google::protobuf::MessageLite& message) {
  std::vector<grpc::Slice> slices;
  if (!bytes.Dump(&slices).ok()) return false;
  std::string joined;
  for (const grpc::Slice& slice : slices) {
    joined.append(reinterpret_cast<const char*>(slice.begin()), slice.size());
  }
  return message.ParseFromString(joined);
}

}  // namespace fetchd::rpc
