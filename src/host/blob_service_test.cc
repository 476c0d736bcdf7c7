#include "host/blob_service.h"

#include <gmock/gmock.h>

#include <future>
#include <thread>

#include "host/blob_files.h"
#include "host/http_exchange.h"
#include "host/real_env.h"
#include "host/test_dir.h"

namespace ingot::host {
namespace {

using apiserver::BlobTarget;
using apiserver::Reply;
using testing::HasSubstr;
using Op = BlobTarget::Op;

const ClusterId kVision("vision1");

// A client that sends what a test says, and takes everything.
struct Client final : StreamedExchange {
  void reply(Reply r) override {
    for (const auto& one : r.body) body += *one;
    r.body.clear();
    head = std::move(r);
    answered.set_value();
  }
  void begin(Reply r) override { head = std::move(r); }
  bool write(apiserver::Piece piece) override { return body += *piece, true; }
  void end() override { answered.set_value(); }
  void on_close(std::move_only_function<void()>) override {}
  void when_drained(env::Task ready) override { ready(); }
  void cut() override { answered.set_value(); }
  void read_body(std::shared_ptr<BodySink> s) override { wanted.set_value(std::move(s)); }
  void body_taken(size_t bytes) override { taken += bytes; }

  std::string header(std::string_view name) const {
    for (const auto& [key, value] : head.headers)
      if (key == name) return value;
    return "";
  }

  Reply head;
  std::string body;
  std::promise<void> answered;
  std::promise<std::shared_ptr<BodySink>> wanted;
  std::atomic<size_t> taken = 0;
};

class BlobServiceTest : public testing::Test {
 protected:
  BlobServiceTest()
      : blobs_(std::move(open_blob_files(dir_.path() + "/blobs").value())),
        service_(std::make_unique<BlobService>(env_.loop, *blobs_, BlobServiceOptions{2, 2, 2})) {}
  void TearDown() override {
    service_ = nullptr;
    env_.loop.stop();
  }
  std::shared_ptr<Client> ask(BlobTarget target) {
    auto client = std::make_shared<Client>();
    target.cluster = kVision;
    target.base = "/clusters/vision/blobs";
    env_.loop.call([&] { service_->serve(std::move(target), client); });
    return client;
  }
  std::shared_ptr<Client> answer(BlobTarget target) {
    auto client = ask(std::move(target));
    client->answered.get_future().get();
    return client;
  }
  std::shared_ptr<Client> send(BlobTarget target, std::initializer_list<std::string_view> pieces,
                               bool whole = true) {
    auto client = ask(std::move(target));
    auto sink = client->wanted.get_future().get();
    for (const std::string_view piece : pieces) sink->take(piece);
    whole ? sink->whole() : sink->broken();
    if (whole) client->answered.get_future().get();
    return client;
  }
  std::string begin() { return answer({.op = Op::Begin})->header("Docker-Upload-UUID"); }

  TestDir dir_;
  RealEnv env_{env::Log::Level::Error};
  std::unique_ptr<env::Blobs> blobs_;
  std::unique_ptr<BlobService> service_;
};

TEST_F(BlobServiceTest, AnUploadInPieces) {
  auto begun = answer({.op = Op::Begin});
  EXPECT_EQ(begun->head.code, 202);
  const std::string id = begun->header("Docker-Upload-UUID");
  EXPECT_EQ(begun->header("Location"), "/clusters/vision/blobs/uploads/" + id);
  EXPECT_EQ(begun->header("Upload-Offset"), "0");
  auto first = send({.op = Op::Append, .upload = id, .offset = 0}, {"hel", "lo "});
  EXPECT_EQ(first->head.code, 202);
  EXPECT_EQ(first->header("Range"), "0-5");
  EXPECT_EQ(first->taken, 6u);
  auto wrong = answer({.op = Op::Append, .upload = id, .offset = 3});
  EXPECT_EQ(wrong->head.code, 416);
  EXPECT_EQ(wrong->header("Upload-Offset"), "6");
  auto where = answer({.op = Op::Where, .upload = id});
  EXPECT_EQ(where->head.code, 204);
  EXPECT_EQ(where->header("Range"), "0-5");
  const Digest digest = Digest::of("hello world");
  auto last = send({.op = Op::Finish, .upload = id, .digest = digest}, {"world"});
  EXPECT_EQ(last->head.code, 201) << last->body;
  EXPECT_EQ(last->header("Location"), "/clusters/vision/blobs/" + digest.text());
  EXPECT_EQ(answer({.op = Op::Where, .upload = id})->head.code, 404);
}

TEST_F(BlobServiceTest, ASenderThatLeavesCanGoOn) {
  const std::string id = begin();
  send({.op = Op::Append, .upload = id}, {"half "}, false);
  // What came before it left is kept; it is free again a moment later.
  int code = 409;
  std::shared_ptr<Client> rest;
  while (code == 409) {
    rest = ask({.op = Op::Finish, .upload = id, .digest = Digest::of("half rest")});
    auto wanted = rest->wanted.get_future();
    auto answered = rest->answered.get_future();
    while (wanted.wait_for(std::chrono::milliseconds(1)) != std::future_status::ready &&
           answered.wait_for(std::chrono::milliseconds(1)) != std::future_status::ready) {
    }
    if (answered.wait_for(std::chrono::milliseconds(0)) == std::future_status::ready) {
      code = rest->head.code;
      continue;
    }
    auto sink = wanted.get();
    sink->take("rest");
    sink->whole();
    answered.get();
    code = rest->head.code;
  }
  EXPECT_EQ(code, 201) << rest->body;
}

TEST_F(BlobServiceTest, OnePieceOrNothing) {
  const Digest digest = Digest::of("whole");
  send({.op = Op::Put, .digest = digest}, {"who"}, false);
  EXPECT_EQ(send({.op = Op::Put, .digest = digest}, {"who", "le"})->head.code, 201);
  while (blobs_->usage(kVision).value().bytes != 5)
    std::this_thread::yield();  // the broken one goes by itself
  auto wrong = send({.op = Op::Put, .digest = Digest::of("other")}, {"whole"});
  EXPECT_EQ(wrong->head.code, 422);
  EXPECT_THAT(wrong->body, HasSubstr("digest: the bytes sent are"));
}

TEST_F(BlobServiceTest, ReadsAllOrARange) {
  const Digest digest = env::put_blob(*blobs_, kVision, "0123456789").value().digest;
  auto all = answer({.op = Op::Read, .digest = digest});
  EXPECT_EQ(all->head.code, 200);
  EXPECT_EQ(all->head.length, 10);
  EXPECT_EQ(all->body, "0123456789");
  const auto range = [&](std::optional<int64_t> first, std::optional<int64_t> last) {
    return answer({.op = Op::Read, .digest = digest, .range = BlobTarget::Range{first, last}});
  };
  EXPECT_EQ(range(2, 4)->body, "234");
  EXPECT_EQ(range(2, 4)->header("Content-Range"), "bytes 2-4/10");
  EXPECT_EQ(range(8, {})->body, "89");
  EXPECT_EQ(range(8, 99)->body, "89");
  EXPECT_EQ(range({}, 3)->body, "789");
  EXPECT_EQ(range(10, {})->head.code, 416);
  auto head = answer({.op = Op::Stat, .digest = digest});
  EXPECT_EQ(head->head.length, 10);
  EXPECT_EQ(answer({.op = Op::Read, .digest = Digest::of("none")})->head.code, 404);
}

TEST_F(BlobServiceTest, TellsWhatIsMissing) {
  const Digest here = env::put_blob(*blobs_, kVision, "here").value().digest, gone = Digest::of("gone");
  EXPECT_EQ(answer({.op = Op::Missing, .digests = {here, gone}})->body,
            R"({"missing":[")" + gone.text() + R"("]})");
}

TEST_F(BlobServiceTest, TheLimitIsTold) {
  blobs_->limit(kVision, 4);
  auto refused = answer({.op = Op::Put, .digest = Digest::of("12345"), .body_bytes = 5});
  EXPECT_EQ(refused->head.code, 403);
  EXPECT_THAT(refused->body, HasSubstr("spec.storage.limit"));
  EXPECT_EQ(send({.op = Op::Put, .digest = Digest::of("12345")}, {"123", "45"})->head.code, 403);
  EXPECT_EQ(answer({.op = Op::Usage})->body, R"({"bytes":0,"limit":4})");
}

TEST_F(BlobServiceTest, TransfersHaveABound) {
  auto first = ask({.op = Op::Put, .digest = Digest::of("a")}),
       second = ask({.op = Op::Put, .digest = Digest::of("b")});
  auto sink = first->wanted.get_future().get();
  auto other = second->wanted.get_future().get();
  EXPECT_EQ(answer({.op = Op::Put, .digest = Digest::of("c")})->head.code, 429);
  sink->take("a");
  sink->whole();
  first->answered.get_future().get();
  EXPECT_EQ(send({.op = Op::Put, .digest = Digest::of("c")}, {"c"})->head.code, 201);
  other->broken();
}

}  // namespace
}  // namespace ingot::host
