#include "host/logs.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <unistd.h>

#include <future>

#include "host/cri_log.h"
#include "host/instance.h"
#include "host/log_file.h"
#include "host/pki.h"
#include "host/real_env.h"
#include "host/test_dir.h"

namespace ingot::host {
namespace {

using testing::HasSubstr;

std::string entry(std::string_view text, std::string_view tag = "F",
                  std::string_view time = "2026-07-02T10:00:00Z") {
  return std::string(time) + " stdout " + std::string(tag) + " " + std::string(text) + "\n";
}

std::string shown(LogWindow window, std::string_view file) {
  std::string out;
  CriLog log(window);
  for (const char c : file) log.feed({&c, 1}, out);  // any cut of the file gives the same
  return out;
}

TEST(CriLog, JoinsPartialLines) {
  EXPECT_EQ(shown({}, entry("a", "P") + entry("b") + entry("c")), "ab\nc\n");
}
TEST(CriLog, StampsLinesNotEntries) {
  EXPECT_EQ(shown({.timestamps = true}, entry("a", "P") + entry("b")), "2026-07-02T10:00:00Z ab\n");
}
TEST(CriLog, StopsAtTheByteLimit) {
  EXPECT_EQ(shown({.limit_bytes = 4}, entry("abc") + entry("def")), "abc\n");
  EXPECT_EQ(shown({.limit_bytes = 2}, entry("abc")), "ab");
}
TEST(CriLog, BeginsAtATime) {
  EXPECT_EQ(shown({.since = parse_rfc3339("2026-07-02T10:00:01Z")},
                  entry("old") + entry("new", "F", "2026-07-02T10:00:01Z")),
            "new\n");
}
TEST(CriLog, SkipsWhatIsNoEntry) { EXPECT_EQ(shown({}, "nonsense\n" + entry("a")), "a\n"); }

struct Collected final : apiserver::Exchange {
  std::string text;
  std::promise<int> done;
  std::promise<void> first;
  bool any = false;
  void reply(apiserver::Reply reply) override { done.set_value(reply.code); }
  void begin(apiserver::Reply) override {}
  bool write(apiserver::Piece piece) override {
    text += *piece;
    if (!std::exchange(any, true)) first.set_value();
    return true;
  }
  void end() override { done.set_value(200); }
  void on_close(std::move_only_function<void()>) override {}
};

struct TestEnds final : ContainerEnds {
  env::Task ended;
  std::shared_ptr<void> when_ended(const apiserver::LogTarget&, env::Task task) override {
    ended = std::move(task);
    return nullptr;
  }
};

class LogsTest : public testing::Test {
 protected:
  void SetUp() override { std::filesystem::create_directories(directory_); }
  void TearDown() override {
    logs_ = nullptr;
    env_.loop.stop();
  }
  void append(int attempt, const std::string& text) {
    Fd fd(::open((directory_ + "/" + std::to_string(attempt) + ".log").c_str(), O_WRONLY | O_APPEND | O_CREAT,
                 0600));
    ASSERT_EQ(::write(fd.get(), text.data(), text.size()), ssize_t(text.size()));
  }
  apiserver::LogTarget target() const { return {.node = "n1", .pod_uid = "u1", .container = "main"}; }
  std::shared_ptr<Collected> ask(const apiserver::LogTarget& target) {
    auto exchange = std::make_shared<Collected>();
    env_.loop.call([&] { logs_->stream(target, exchange); });
    return exchange;
  }

  TestDir dir_;
  const std::string directory_ = dir_.path() + "/n1/pods/u1/logs/main";
  RealEnv env_{env::Log::Level::Error};
  TestEnds ends_;
  std::unique_ptr<FileLogs> logs_ = std::make_unique<FileLogs>(env_.clock, env_.loop, ends_, dir_.path());
};

TEST_F(LogsTest, ShowsTheLatestRun) {
  append(0, entry("first"));
  append(1, entry("second"));
  auto log = ask(target());
  EXPECT_EQ(log->done.get_future().get(), 200);
  EXPECT_EQ(log->text, "second\n");
}

TEST_F(LogsTest, ShowsThePreviousRun) {
  append(9, entry("ninth"));
  append(10, entry("tenth"));
  auto previous = target();
  previous.previous = true;
  auto log = ask(previous);
  EXPECT_EQ(log->done.get_future().get(), 200);
  EXPECT_EQ(log->text, "ninth\n");
}

TEST_F(LogsTest, ShowsTheTail) {
  append(0, entry("1") + entry("2") + entry("3"));
  auto tail = target();
  tail.tail_lines = 2;
  auto log = ask(tail);
  EXPECT_EQ(log->done.get_future().get(), 200);
  EXPECT_EQ(log->text, "2\n3\n");
}

TEST_F(LogsTest, FollowsUntilTheContainerEnds) {
  append(0, entry("before"));
  auto follow = target();
  follow.follow = true;
  auto log = ask(follow);
  log->first.get_future().get();
  append(0, entry("after"));
  env_.loop.call([&] { ends_.ended(); });
  EXPECT_EQ(log->done.get_future().get(), 200);
  EXPECT_EQ(log->text, "before\nafter\n");
}

TEST_F(LogsTest, LeadsNowhereElse) {
  std::filesystem::create_symlink("/etc", dir_.path() + "/n1/pods/u1/logs/link");
  for (const std::string& container :
       {std::string("link"), std::string(".."), std::string("a/b"), std::string()}) {
    auto astray = target();
    astray.container = container;
    EXPECT_FALSE(open_log(dir_.path(), astray)) << container;
  }
}

TEST(Instance, OneFactoryInADirectory) {
  TestDir dir;
  auto first = Instance::claim(dir.path() + "/f");
  ASSERT_TRUE(first) << first.error().message;
  ASSERT_TRUE((*first)->write({.id = "3f2a",
                               .pid = ::getpid(),
                               .start_ticks = process_start_ticks(::getpid()),
                               .address = "127.0.0.1:6443"}));
  auto second = Instance::claim(dir.path() + "/f");
  ASSERT_FALSE(second);
  EXPECT_THAT(second.error().message,
              HasSubstr("is in use by ingot (pid " + std::to_string(::getpid()) + ") on 127.0.0.1:6443"));
  EXPECT_TRUE(is_running(*read_record(dir.path() + "/f")));
}

TEST(Instance, AnotherProcessWithThePidIsNotTheFactory) {
  EXPECT_FALSE(is_running({.pid = ::getpid(), .start_ticks = process_start_ticks(::getpid()) + 1}));
}

class PkiTest : public testing::Test {
 protected:
  TestDir dir_;
  RealClock clock_;
  RealEntropy entropy_;
  std::unique_ptr<Pki> open() { return std::move(Pki::open(dir_.path() + "/pki", clock_, entropy_).value()); }
};

TEST_F(PkiTest, TokensOutliveARestartAndNothingElsePasses) {
  const std::string token = open()->sign({{"sub", "ann"}});
  auto pki = open();
  EXPECT_EQ(api::string_at(pki->verify(token).value(), {"sub"}), "ann");
  for (size_t at = 0; at < token.size(); at += 7) {
    std::string forged = token;
    forged[at] = forged[at] == 'A' ? 'B' : 'A';
    EXPECT_FALSE(pki->verify(forged)) << at;
  }
  EXPECT_FALSE(pki->verify("eyJhbGciOiJub25lIn0.e30."));
  TestDir other;
  EXPECT_FALSE(std::move(Pki::open(other.path() + "/pki", clock_, entropy_).value())->verify(token));
}

TEST_F(PkiTest, ServerCertificateIsKeptWhileItsNamesStay) {
  auto pki = open();
  const auto first = pki->server_certificate({"localhost"}, {"127.0.0.1"}).value();
  EXPECT_EQ(open()->server_certificate({"localhost"}, {"127.0.0.1"}).value().certificate_pem,
            first.certificate_pem);
  EXPECT_NE(open()->server_certificate({"localhost"}, {"10.0.0.1"}).value().certificate_pem,
            first.certificate_pem);
}

TEST_F(PkiTest, PrivateKeysAreForTheOwnerOnly) {
  (void)open()->operator_certificate();
  for (const char* name : {"ca.key", "tokens.key", "operator.pem"})
    EXPECT_EQ(std::filesystem::status(dir_.path() + "/pki/" + name).permissions(),
              std::filesystem::perms::owner_read | std::filesystem::perms::owner_write)
        << name;
}

}  // namespace
}  // namespace ingot::host
