#include "policy/scan_report.h"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace ingot::policy {
namespace {
using testing::ElementsAre;
using testing::HasSubstr;

const std::string kA = "sha256:" + std::string(64, 'a'), kB = "sha256:" + std::string(64, 'b');

TEST(ScanReport, TrivyIsCountedBySeverity) {
  const auto report = parse_scan_report(fmt::format(
      R"({{"SchemaVersion":2,"Trivy":{{"Version":"0.58.1"}},"CreatedAt":"2026-11-30T07:00:00.123456789Z",
          "ArtifactName":"train:1","ArtifactType":"container_image",
          "Metadata":{{"ImageID":"{}","RepoDigests":["train@{}"]}},
          "Results":[{{"Target":"debian","Vulnerabilities":[
             {{"VulnerabilityID":"CVE-1","PkgName":"zlib","Severity":"LOW"}},
             {{"VulnerabilityID":"CVE-2","PkgName":"openssl","Severity":"CRITICAL"}},
             {{"VulnerabilityID":"CVE-3","PkgName":"bash","Severity":"HIGH"}},
             {{"VulnerabilityID":"CVE-4","Severity":"UNKNOWN"}}]}},
            {{"Target":"app","Secrets":[{{"RuleID":"aws-key","Severity":"CRITICAL"}}]}},{{"Target":"none","Vulnerabilities":null}}]}})",
      kA, kB));
  ASSERT_TRUE(report) << report.error().message;
  EXPECT_EQ(report->scanner, "trivy 0.58.1");
  EXPECT_THAT(report->digests, ElementsAre(kA, kB));
  EXPECT_THAT((std::vector{report->critical, report->high, report->medium, report->low, report->unknown}),
              ElementsAre(2, 1, 0, 1, 1));
  EXPECT_THAT(report->worst,
              ElementsAre("CVE-2 in openssl", "aws-key in app", "CVE-3 in bash", "CVE-1 in zlib", "CVE-4"));
  EXPECT_EQ(to_rfc3339(*report->at), "2026-11-30T07:00:00Z");
  const api::JsonObject spec = scan_spec(*report, kA, {});
  EXPECT_EQ(spec.at("findings").at("critical").as_int64(), 2);
}

TEST(ScanReport, CycloneDxIsCountedByTheWorstRatingOfEach) {
  const auto report = parse_scan_report(fmt::format(
      R"({{"bomFormat":"CycloneDX","specVersion":"1.6","metadata":{{"timestamp":"2026-11-30T07:00:00+00:00",
          "tools":{{"components":[{{"name":"grype","version":"0.80"}}]}},
          "component":{{"name":"train:1","version":"{}"}}}},
          "vulnerabilities":[
            {{"id":"CVE-1","ratings":[{{"severity":"low"}},{{"severity":"high"}}],"affects":[{{"ref":"zlib"}},{{"ref":"bash"}}]}},
            {{"id":"CVE-2","ratings":[{{"severity":"critical"}}],"analysis":{{"state":"not_affected"}}}},
            {{"id":"CVE-3"}}]}})",
      kA));
  ASSERT_TRUE(report) << report.error().message;
  EXPECT_EQ(report->format, "cyclonedx");
  EXPECT_EQ(report->scanner, "grype 0.80");
  EXPECT_THAT(report->digests, ElementsAre(kA));
  EXPECT_EQ(report->high, 2);
  EXPECT_EQ(report->critical, 0);
  EXPECT_EQ(report->unknown, 1);
}

TEST(ScanReport, WhatIsNoneIsToldOf) {
  const auto fault = [](std::string_view text) { return parse_scan_report(text).error().message; };
  EXPECT_THAT(fault("{"), HasSubstr("is no JSON"));
  EXPECT_THAT(fault("[]"), HasSubstr("neither Trivy's JSON"));
  EXPECT_THAT(fault(R"({"SchemaVersion":1,"ArtifactName":"x"})"), HasSubstr("SchemaVersion: 1 is not known"));
  EXPECT_THAT(fault(R"({"SchemaVersion":2,"ArtifactName":"x","ArtifactType":"filesystem"})"),
              HasSubstr("of a filesystem, and not of a container_image"));
  EXPECT_THAT(fault(R"({"bomFormat":"CycloneDX","components":[]})"),
              HasSubstr("vulnerabilities: the document lists none"));
  EXPECT_THAT(fault(R"({"SchemaVersion":2,"ArtifactName":"x","Results":[{"Vulnerabilities":{}}]})"),
              HasSubstr("Results[0].Vulnerabilities: must be a list"));
  EXPECT_THAT(fault(std::string(100, '[')), HasSubstr("is no JSON"));
}

TEST(ScanReport, NamesOfStrangersAreOneShortLine) {
  const auto report =
      parse_scan_report(R"({"SchemaVersion":2,"ArtifactName":"a\u001b[31m\n","Results":[{"Vulnerabilities":[
    {"VulnerabilityID":"CVE\n-1","PkgName":")" +
                        std::string(5'000, 'x') + R"(","Severity":"HIGH"}]}]})");
  ASSERT_TRUE(report);
  EXPECT_EQ(report->image, "a[31m");
  EXPECT_TRUE(report->worst[0].starts_with("CVE-1 in xxx"));
  EXPECT_LE(report->worst[0].size(), 256u);
}

}  // namespace
}  // namespace ingot::policy
