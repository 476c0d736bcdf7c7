#include "git/report.h"

#include <gtest/gtest.h>

namespace ingot::git {
namespace {

env::GitReport report(std::string provider, std::string url) {
  return {.url = std::move(url),
          .provider = std::move(provider),
          .token = "t0ken",
          .commit = "6113728f27ae82c7b1a177c8d03f9e96e0adf246",
          .name = "ingot/digits",
          .state = "failure",
          .description = "why"};
}
std::string request(std::string provider, std::string url) {
  const auto call = report_call(report(std::move(provider), std::move(url)));
  return call ? call->request : call.error();
}

TEST(Report, EachHostHasItsOwnWay) {
  const std::string github = request("github", "https://github.com/acme/digits.git");
  EXPECT_TRUE(github.starts_with(
      "POST /repos/acme/digits/statuses/6113728f27ae82c7b1a177c8d03f9e96e0adf246 HTTP/1.1\r\n"
      "Host: api.github.com\r\nAuthorization: Bearer t0ken\r\n"))
      << github;
  EXPECT_TRUE(github.ends_with(R"({"state":"failure","context":"ingot/digits","description":"why"})"));
  EXPECT_TRUE(request("github", "git@github.example:acme/digits")
                  .starts_with("POST /api/v3/repos/acme/digits/statuses/"));
  EXPECT_TRUE(request("forgejo", "https://git.example:3000/acme/digits")
                  .find("Host: git.example:3000\r\nAuthorization: token ") != std::string::npos);
  const std::string gitlab = request("gitlab", "https://gitlab.com/acme/team/digits");
  EXPECT_TRUE(gitlab.starts_with("POST /api/v4/projects/acme%2Fteam%2Fdigits/statuses/")) << gitlab;
  EXPECT_NE(gitlab.find("PRIVATE-TOKEN: t0ken\r\n"), std::string::npos);
  EXPECT_NE(gitlab.find(R"("state":"failed")"), std::string::npos);
}

TEST(Report, WhatCannotBeToldIsRefused) {
  EXPECT_FALSE(report_call(report("github", "file:///srv/x")));
  EXPECT_FALSE(report_call(report("github", "https://github.com/acme")));
  EXPECT_FALSE(report_call(report("other", "https://github.com/acme/x")));
  env::GitReport split = report("github", "https://github.com/acme/x");
  split.token = "a\r\nX-Evil: 1";
  EXPECT_FALSE(report_call(split));
}

}  // namespace
}  // namespace ingot::git
