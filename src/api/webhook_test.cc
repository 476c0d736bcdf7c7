#include "api/webhook.h"

#include <gtest/gtest.h>

namespace ingot::api {
namespace {

TEST(Webhook, UrlsAreTakenApart) {
  const auto url = parse_webhook_url("https://hooks.example:8443/a/b?key=1%202");
  ASSERT_TRUE(url);
  EXPECT_TRUE(url->encrypted);
  EXPECT_EQ(url->host, "hooks.example");
  EXPECT_EQ(url->port, 8443);
  EXPECT_EQ(url->authority, "hooks.example:8443");
  EXPECT_EQ(url->target, "/a/b?key=1%202");
  const auto bare = parse_webhook_url("http://[fd00::1]?x");
  ASSERT_TRUE(bare);
  EXPECT_FALSE(bare->encrypted);
  EXPECT_EQ(bare->host, "fd00::1");
  EXPECT_EQ(bare->port, 80);
  EXPECT_EQ(bare->authority, "[fd00::1]");
  EXPECT_EQ(bare->target, "/?x");
}

TEST(Webhook, WhatCouldLeadElsewhereIsRefused) {
  for (const char* bad :
       {"", "hooks.example", "ftp://hooks.example/", "file:///etc/passwd", "https://", "https:///x",
        "https://user:pass@hooks.example/", "https://a@b@c/", "https://hooks.example:0/",
        "https://hooks.example:99999/", "https://hooks.example/a b", "https://hooks.example/#x",
        "https://hooks.example\\@evil/", "https://hooks.example/\r\nHost: evil", "https://ho\toks/",
        "HTTPS://x/", "https://[::1/", "https://-x/"})
    EXPECT_FALSE(parse_webhook_url(bad)) << bad;
  EXPECT_FALSE(parse_webhook_url("https://hooks.example/" + std::string(2'048, 'a')));
}

TEST(Webhook, NamesAreMlflows) {
  for (const char* good : {"a", "a-b", "a.b_c", "0x9"}) EXPECT_EQ(webhook_name_fault(good), "") << good;
  for (const char* bad : {"", "-a", "a-", "A", "a b", "a/b"}) EXPECT_NE(webhook_name_fault(bad), "") << bad;
  EXPECT_NE(webhook_name_fault(std::string(64, 'a')), "");
}

}  // namespace
}  // namespace ingot::api
