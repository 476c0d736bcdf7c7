#include "host/git_connect.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/uio.h>
#include <unistd.h>

#include <cstring>
#include <thread>

#include "env/git.h"
#include "host/known_hosts.h"

namespace ingot::host {
namespace {

sockaddr_storage address(const std::string& text) {
  sockaddr_storage out{};
  if (auto* four = reinterpret_cast<sockaddr_in*>(&out);
      ::inet_pton(AF_INET, text.c_str(), &four->sin_addr) == 1)
    four->sin_family = AF_INET;
  else if (auto* six = reinterpret_cast<sockaddr_in6*>(&out);
           ::inet_pton(AF_INET6, text.c_str(), &six->sin6_addr) == 1)
    six->sin6_family = AF_INET6;
  return out;
}
bool allowed(const AddressRules& rules, const std::string& text) {
  const sockaddr_storage at = address(text);
  return rules.allowed(reinterpret_cast<const sockaddr*>(&at));
}

TEST(GitConnect, PublicAddressesAreGood) {
  const AddressRules rules({});
  for (const char* text : {"140.82.121.4", "8.8.8.8", "2a00:1450:4001::1", "2606:50c0::1"})
    EXPECT_TRUE(allowed(rules, text)) << text;
}

TEST(GitConnect, WhatLeadsInsideIsNot) {
  const AddressRules rules({});
  for (const char* text : {"127.0.0.1",   "127.255.0.1",     "0.0.0.0",          "10.1.2.3",
                           "172.16.0.1",  "172.31.255.255",  "192.168.1.1",      "169.254.169.254",
                           "100.64.0.1",  "224.0.0.1",       "255.255.255.255",  "::1",
                           "::",          "fe80::1",         "fec0::1",          "fc00::1",
                           "fd12::1",     "ff02::1",         "::ffff:127.0.0.1", "::ffff:10.0.0.1",
                           "::127.0.0.1", "64:ff9b::7f00:1", "2002:7f00:1::",    "2001:0:1::"})
    EXPECT_FALSE(allowed(rules, text)) << text;
}

TEST(GitConnect, TheOperatorMayAllowMore) {
  const AddressRules rules({*parse_address_range("10.1.0.0/16"), *parse_address_range("fd00::5")});
  EXPECT_TRUE(allowed(rules, "10.1.255.1"));
  EXPECT_TRUE(allowed(rules, "::ffff:10.1.0.1"));
  EXPECT_FALSE(allowed(rules, "10.2.0.1"));
  EXPECT_TRUE(allowed(rules, "fd00::5"));
  EXPECT_FALSE(allowed(rules, "fd00::6"));
}

TEST(GitConnect, RangesAreChecked) {
  for (const char* text :
       {"", "x", "10.0.0.0/33", "10.0.0.0/", "10.0.0.0/-1", "10.0.0.0/8x", "::/129", "10.0.0"})
    EXPECT_FALSE(parse_address_range(text)) << text;
  EXPECT_TRUE(parse_address_range("0.0.0.0/0"));
}

TEST(GitConnect, ARefusalCrossesWithItsCause) {
  int pair[2];
  ASSERT_EQ(::socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair), 0);
  const Fd here(pair[0]), there(pair[1]);
  std::thread factory(
      [&] { EXPECT_TRUE(answer_connection(here.get(), AddressRules({}), false, std::chrono::seconds(5))); });
  const auto answer = ask_connection(there.get(), "127.0.0.1", "443");
  factory.join();
  ASSERT_FALSE(answer);
  EXPECT_EQ(answer.error().causes.front().type, env::kGitRefused);
}

TEST(GitConnect, AConnectionCrosses) {
  const Fd listener(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_in at{};
  at.sin_family = AF_INET;
  at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof at;
  ASSERT_EQ(::bind(listener.get(), reinterpret_cast<sockaddr*>(&at), sizeof at), 0);
  ASSERT_EQ(::listen(listener.get(), 1), 0);
  ::getsockname(listener.get(), reinterpret_cast<sockaddr*>(&at), &size);
  int pair[2];
  ASSERT_EQ(::socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair), 0);
  const Fd here(pair[0]), there(pair[1]);
  const AddressRules rules({*parse_address_range("127.0.0.1")});
  std::thread factory(
      [&] { EXPECT_TRUE(answer_connection(here.get(), rules, true, std::chrono::seconds(5))); });
  const auto answer = ask_connection(there.get(), "127.0.0.1", std::to_string(ntohs(at.sin_port)));
  factory.join();
  ASSERT_TRUE(answer);
  const Fd accepted(::accept(listener.get(), nullptr, nullptr));
  ASSERT_EQ(::send(accepted.get(), "x", 1, 0), 1);
  char c = 0;
  EXPECT_EQ(::recv(answer->get(), &c, 1, 0), 1);
  EXPECT_EQ(c, 'x');
}

// A worker that was taken over may send what it likes: no handle of it stays with the factory.
TEST(GitConnect, HandlesThatAreSentAlongAreClosed) {
  for (const size_t count : {1u, 2u, 3u}) {
    int pair[2], ends[2];
    ASSERT_EQ(::socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair), 0);
    ASSERT_EQ(::pipe2(ends, O_CLOEXEC | O_NONBLOCK), 0);
    const Fd here(pair[0]), there(pair[1]), in(ends[0]);
    Fd out(ends[1]);
    const std::string question("127.0.0.1\0443", 13);
    iovec piece{const_cast<char*>(question.data()), question.size()};
    alignas(cmsghdr) char control[CMSG_SPACE(3 * sizeof(int))] = {};
    msghdr message{};
    message.msg_iov = &piece;
    message.msg_iovlen = 1;
    message.msg_control = control;
    message.msg_controllen = CMSG_SPACE(count * sizeof(int));
    cmsghdr* header = CMSG_FIRSTHDR(&message);
    header->cmsg_level = SOL_SOCKET;
    header->cmsg_type = SCM_RIGHTS;
    header->cmsg_len = CMSG_LEN(count * sizeof(int));
    for (size_t i = 0; i < count; ++i)
      std::memcpy(CMSG_DATA(header) + i * sizeof(int), &ends[1], sizeof(int));
    ASSERT_GT(::sendmsg(there.get(), &message, 0), 0);
    (void)answer_connection(here.get(), AddressRules({}), false, std::chrono::seconds(5));
    out = Fd();
    char c = 0;
    EXPECT_EQ(::read(in.get(), &c, 1), 0) << count << " handles: the pipe has a writer left";
  }
}

TEST(KnownHosts, LinesAreRead) {
  const std::string file =
      "# comment\n"
      "git.example,10.0.0.1 ssh-ed25519 S0VZ comment\n"
      "*.wild.example,!no.wild.example ssh-ed25519 S0VZ\n"
      "[port.example]:2222 ssh-ed25519 S0VZ\n"
      "@cert-authority * ssh-ed25519 T1RIRVI=\n"
      "@revoked old.example ssh-ed25519 S0VZ\n";
  EXPECT_EQ(known_host(file, "git.example", 22, "KEY"), HostKey::Known);
  EXPECT_EQ(known_host(file, "GIT.example", 22, "KEY"), HostKey::Known);
  EXPECT_EQ(known_host(file, "git.example", 22, "OTHER"), HostKey::Other);
  EXPECT_EQ(known_host(file, "git.example", 2222, "KEY"), HostKey::Unknown);
  EXPECT_EQ(known_host(file, "a.wild.example", 22, "KEY"), HostKey::Known);
  EXPECT_EQ(known_host(file, "no.wild.example", 22, "KEY"), HostKey::Unknown);
  EXPECT_EQ(known_host(file, "port.example", 2222, "KEY"), HostKey::Known);
  EXPECT_EQ(known_host(file, "old.example", 22, "KEY"), HostKey::Revoked);
  EXPECT_EQ(known_host("", "git.example", 22, "KEY"), HostKey::Unknown);
}

TEST(KnownHosts, HashedNamesMatch) {
  // ssh-keygen -H of "git.example ssh-ed25519 S0VZ".
  const std::string file = "|1|AAECAwQFBgcICQoLDA0ODxAREhM=|ofeWoBPxCZqYoYdPpknNO778Vcc= ssh-ed25519 S0VZ\n";
  EXPECT_EQ(known_host(file, "git.example", 22, "KEY"), HostKey::Known);
  EXPECT_EQ(known_host(file, "other.example", 22, "KEY"), HostKey::Unknown);
}

}  // namespace
}  // namespace ingot::host
