// Bodies that are taken as they come.
#include <future>
#include <mutex>
#include <thread>

#include "host/http_testing.h"

namespace ingot::host {
namespace {

using testing::HasSubstr;

struct StreamDoor final : TestDoorBase {
  bool streams(std::string_view method, std::string_view) const override { return method == "PUT"; }
};

class Sink final : public BodySink {
 public:
  explicit Sink(std::shared_ptr<HttpExchange> exchange) : exchange_(std::move(exchange)) {}
  void take(std::string_view piece) override {
    std::lock_guard lock(mutex_);
    bytes_ += piece.size();
    most_ = std::max(most_, waiting_ += piece.size());
    if (!held_) done();
  }
  void whole() override { ended_.set_value("whole"); }
  void broken() override { ended_.set_value("broken"); }
  std::string wait() { return ended_.get_future().get(); }
  void hold() { held_ = true; }
  void go_on() {
    std::lock_guard lock(mutex_);
    held_ = false;
    done();
  }
  size_t bytes() {
    std::lock_guard lock(mutex_);
    return bytes_;
  }
  size_t most() {
    std::lock_guard lock(mutex_);
    return most_;
  }

 private:
  void done() { exchange_->body_taken(std::exchange(waiting_, 0)); }
  const std::shared_ptr<HttpExchange> exchange_;
  std::mutex mutex_;
  size_t bytes_ = 0, waiting_ = 0, most_ = 0;
  bool held_ = false;
  std::promise<std::string> ended_;
};

class HttpStreamTest : public HttpServerTest {
 protected:
  void SetUp() override {
    streamed_.answer = [this](const TestDoor::Asked& asked) {
      exchange_ = asked.exchange;
      sink_ = std::make_shared<Sink>(asked.exchange);
      asked_.set_value();
    };
    used_ = &streamed_;
    HttpServerTest::SetUp();
  }
  void read_body() {
    env_.loop.call([&] { exchange_->read_body(sink_); });
  }
  void reply(int code) {
    env_.loop.call([&] { exchange_->reply({.code = code, .body = {piece("answer")}}); });
  }
  std::promise<void> asked_;
  std::shared_ptr<HttpExchange> exchange_;
  std::shared_ptr<Sink> sink_;
  StreamDoor streamed_;
};

TEST_F(HttpStreamTest, ABodyIsReadOnceItIsWanted) {
  RawClient raw = connect();
  raw.write("PUT /b HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\nExpect: 100-continue\r\n\r\n");
  asked_.get_future().get();
  read_body();
  EXPECT_THAT(raw.read_to("\r\n\r\n"), HasSubstr("100 Continue"));
  raw.write("01234");
  raw.write("56789");
  EXPECT_EQ(sink_->wait(), "whole");
  EXPECT_EQ(sink_->bytes(), 10u);
  reply(201);
  EXPECT_THAT(raw.read_to("answer"), HasSubstr("201 Created"));
  streamed_.answer = [](const TestDoor::Asked& asked) { asked.exchange->reply({.body = {piece("next")}}); };
  raw.write("GET /n HTTP/1.1\r\nHost: a\r\n\r\n");
  EXPECT_THAT(raw.read_to("next"), HasSubstr("200 OK"));
}

TEST_F(HttpStreamTest, AChunkedBodyOfAnyLength) {
  RawClient raw = connect();
  raw.write("PUT /b HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n");
  asked_.get_future().get();
  read_body();
  const std::string chunk = "10000\r\n" + std::string(0x10000, 'x') + "\r\n";
  for (int i = 0; i < 100; ++i) raw.write(chunk);
  raw.write("0\r\n\r\n");
  EXPECT_EQ(sink_->wait(), "whole");
  EXPECT_EQ(sink_->bytes(), 100u * 0x10000);
}

TEST_F(HttpStreamTest, ARefusedBodyIsNotRead) {
  RawClient raw = connect();
  raw.write("PUT /b HTTP/1.1\r\nHost: a\r\nContent-Length: 1000000000\r\n\r\n" + std::string(5000, 'x'));
  asked_.get_future().get();
  reply(403);
  const std::string answer = raw.read_all();
  EXPECT_THAT(answer, HasSubstr("403 Forbidden"));
  EXPECT_THAT(answer, HasSubstr("Connection: close"));
  EXPECT_EQ(sink_->bytes(), 0u);
}

TEST_F(HttpStreamTest, ASenderThatLeavesBreaksTheBody) {
  {
    RawClient raw = connect();
    raw.write("PUT /b HTTP/1.1\r\nHost: a\r\nContent-Length: 100\r\n\r\nsome");
    asked_.get_future().get();
    read_body();
  }
  EXPECT_EQ(sink_->wait(), "broken");
  EXPECT_EQ(sink_->bytes(), 4u);
}

TEST_F(HttpStreamTest, NoMoreIsReadThanIsDoneWith) {
  RawClient raw = connect();
  constexpr size_t kBytes = 16u << 20;
  raw.write("PUT /b HTTP/1.1\r\nHost: a\r\nContent-Length: " + std::to_string(kBytes) + "\r\n\r\n");
  asked_.get_future().get();
  sink_->hold();
  read_body();
  std::thread writer([&] { raw.write(std::string(kBytes, 'x')); });
  while (sink_->bytes() <= StreamedExchange::kMost) std::this_thread::sleep_for(std::chrono::milliseconds(1));
  std::this_thread::sleep_for(std::chrono::milliseconds(50));
  EXPECT_LE(sink_->bytes(), StreamedExchange::kMost + 32 * 1024);
  sink_->go_on();
  writer.join();
  EXPECT_EQ(sink_->wait(), "whole");
  EXPECT_EQ(sink_->bytes(), kBytes);
}

}  // namespace
}  // namespace ingot::host
