#include "sink/object_reader.h"

#include "unit/sink/object_fixture.h"

namespace fetchd::sink {
namespace {

class ObjectReaderTest : public ObjectSinkTest {
 protected:
  absl::StatusOr<std::string> ReadFrom(std::uint64_t offset) {
    ASSIGN_OR_RETURN(const std::unique_ptr<Reader> reader,
                     Await(ObjectReader::Open(store_, {"bucket", "key"}, offset)));
    std::string all;
    while (true) {
      Buffer buffer = *Await(buffers_.Acquire(4096, clock_, Deadline::Never()));
      ASSIGN_OR_RETURN(const std::size_t read, Await(reader->Read(buffer)));
      if (read == 0) return all;
      all.append(reinterpret_cast<const char*>(buffer.bytes().data()), read);
    }
  }
};

TEST_F(ObjectReaderTest, ReadsFromAnOffsetToTheEnd) {
  const std::string body = Body(100'000);
  ASSERT_EQ(Transfer(body), absl::OkStatus());

  EXPECT_EQ(*ReadFrom(0), body);
  EXPECT_EQ(*ReadFrom(40'000), body.substr(40'000));
  EXPECT_EQ(*ReadFrom(100'000), "");
  EXPECT_TRUE(absl::IsOutOfRange(ReadFrom(100'001).status()));
}

TEST_F(ObjectReaderTest, ALostConnectionIsGoneOnFrom) {
  const std::string body = Body(100'000);
  ASSERT_EQ(Transfer(body), absl::OkStatus());
  store_.reads_break_after = 30'000;

  EXPECT_EQ(*ReadFrom(5000), body.substr(5000));
  EXPECT_EQ(Requests("Get"), 4U);
}

TEST_F(ObjectReaderTest, AnAnswerThatBringsNothingIsAnError) {
  ASSERT_EQ(Transfer(Body(1000)), absl::OkStatus());
  store_.reads_break_after = 0;

  EXPECT_TRUE(absl::IsUnavailable(ReadFrom(0).status()));
}

TEST_F(ObjectReaderTest, AnObjectThatIsAnotherByNowIsNotMixedIn) {
  ASSERT_EQ(Transfer(Body(1000)), absl::OkStatus());
  const std::unique_ptr<Reader> reader = *Await(ObjectReader::Open(store_, {"bucket", "key"}, 0));
  ASSERT_EQ(Transfer(Body(2000)), absl::OkStatus());
  Buffer buffer = *Await(buffers_.Acquire(4096, clock_, Deadline::Never()));

  EXPECT_TRUE(absl::IsNotFound(Await(reader->Read(buffer)).status()));
}

TEST_F(ObjectReaderTest, WhatIsGoneIsNotFound) {
  EXPECT_TRUE(absl::IsNotFound(ReadFrom(0).status()));
}

}  // namespace
}  // namespace fetchd::sink
