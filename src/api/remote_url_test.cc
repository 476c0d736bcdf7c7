#include "api/remote_url.h"

#include <gtest/gtest.h>

namespace ingot::api {
namespace {

using Scheme = RemoteUrl::Scheme;

TEST(RemoteUrl, TheFormsThatPeopleWrite) {
  const auto https = parse_remote_url("https://git.example:8443/acme/digits.git");
  ASSERT_TRUE(https);
  EXPECT_EQ(https->scheme, Scheme::Https);
  EXPECT_EQ(https->host, "git.example");
  EXPECT_EQ(https->port, 8443);
  EXPECT_EQ(https->path, "/acme/digits.git");
  EXPECT_EQ(parse_remote_url("https://[2001:db8::1]:1/x")->host, "2001:db8::1");
  const auto ssh = parse_remote_url("ssh://git@git.example:2222/acme/digits");
  ASSERT_TRUE(ssh);
  EXPECT_EQ(ssh->user, "git");
  EXPECT_EQ(ssh->port, 2222);
  const auto scp = parse_remote_url("git@git.example:acme/digits.git");
  ASSERT_TRUE(scp);
  EXPECT_EQ(scp->scheme, Scheme::Ssh);
  EXPECT_EQ(scp->host, "git.example");
  EXPECT_EQ(scp->port, 22);
  EXPECT_EQ(scp->path, "/acme/digits.git");
  EXPECT_EQ(parse_remote_url("file:///srv/git/x.git")->path, "/srv/git/x.git");
}

TEST(RemoteUrl, WhatIsNoneIsRefused) {
  for (const std::string_view text : {"",
                                      "x",
                                      "/etc",
                                      "ftp://x/y",
                                      "https://",
                                      "https:///y",
                                      "https://x",
                                      "https://x/",
                                      "file://host/x",
                                      "file:///",
                                      "https://x:0/y",
                                      "https://x:99999/y",
                                      "https://x:1a/y",
                                      "https://-x/y",
                                      "https://x/y?z",
                                      "https://x/y#z",
                                      "https://x/a b",
                                      "https://x\n/y",
                                      "https://[::1/y",
                                      "ext::sh -c id",
                                      "-oProxyCommand=x:y",
                                      "git@-x:y",
                                      "-x@host:y",
                                      "ssh://-x@host/y",
                                      "https://x\\@y/z"})
    EXPECT_FALSE(parse_remote_url(text)) << text;
}

TEST(RemoteUrl, CredentialsBelongIntoASecret) {
  for (const std::string_view text :
       {"https://user@x/y", "https://user:secret@x/y", "ssh://git:secret@x/y"}) {
    const auto parsed = parse_remote_url(text);
    ASSERT_FALSE(parsed) << text;
    EXPECT_NE(parsed.error().find("Secret"), std::string::npos);
  }
}

}  // namespace
}  // namespace ingot::api
