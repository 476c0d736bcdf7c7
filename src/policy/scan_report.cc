#include "policy/scan_report.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "base/digest.h"

namespace ingot::policy {
namespace {

using api::Json;
using api::string_at;

constexpr size_t kMostFindings = 1'000'000, kMostWorst = 10, kMostDigests = 16, kLongestText = 200;

enum class Severity : uint8_t { Unknown, Low, Medium, High, Critical };

Severity severity_of(std::string_view text) {
  std::string lower(text.substr(0, 16));
  std::ranges::transform(lower, lower.begin(),
                         [](char c) { return c >= 'A' && c <= 'Z' ? char(c - 'A' + 'a') : c; });
  if (lower == "critical") return Severity::Critical;
  if (lower == "high") return Severity::High;
  if (lower == "medium") return Severity::Medium;
  if (lower == "low" || lower == "info" || lower == "none") return Severity::Low;
  return Severity::Unknown;
}

// One line of what anybody may have written.
std::string plain(std::string_view text) {
  std::string out;
  for (const char c : text.substr(0, kLongestText))
    if (static_cast<unsigned char>(c) >= 0x20 && static_cast<unsigned char>(c) < 0x7f) out += c;
  return out;
}

struct Named {
  Severity severity;
  std::string text;
};

class Counter {
 public:
  explicit Counter(ScanReport& report) : report_(report) {}

  Result<void> add(Severity severity, std::string_view id, std::string_view package) {
    if (++count_ > kMostFindings)
      return fail(Reason::Invalid, fmt::format("more than {} findings", kMostFindings));
    switch (severity) {
      case Severity::Critical:
        ++report_.critical;
        break;
      case Severity::High:
        ++report_.high;
        break;
      case Severity::Medium:
        ++report_.medium;
        break;
      case Severity::Low:
        ++report_.low;
        break;
      case Severity::Unknown:
        ++report_.unknown;
    }
    if (worst_.size() == kMostWorst && worst_.back().severity >= severity) return {};
    std::string text = plain(id);
    if (!package.empty()) text += " in " + plain(package);
    text = text.substr(0, kLongestText);
    if (text.empty() || std::ranges::any_of(worst_, [&](const Named& n) { return n.text == text; }))
      return {};
    const auto at = std::ranges::find_if(worst_, [&](const Named& n) { return n.severity < severity; });
    worst_.insert(at, {severity, std::move(text)});
    if (worst_.size() > kMostWorst) worst_.pop_back();
    return {};
  }

  void finish() {
    for (Named& named : worst_) report_.worst.push_back(std::move(named.text));
  }

 private:
  ScanReport& report_;
  size_t count_ = 0;
  std::vector<Named> worst_;  // the most severe first
};

void add_digest(ScanReport& report, std::string_view text) {
  if (const size_t at = text.find("sha256:"); at != text.npos) text = text.substr(at);
  const auto digest = Digest::parse(text.substr(0, 71));
  if (!digest || report.digests.size() == kMostDigests) return;
  if (std::ranges::find(report.digests, digest->text()) == report.digests.end())
    report.digests.push_back(digest->text());
}

Result<ScanReport> trivy(const Json& from) {
  ScanReport report{.format = "trivy", .scanner = "trivy", .image = plain(string_at(from, {"ArtifactName"}))};
  if (const std::string_view version = string_at(from, {"Trivy", "Version"}); !version.empty())
    report.scanner += " " + plain(version);
  report.at = parse_rfc3339(string_at(from, {"CreatedAt"}));
  if (const std::string_view type = string_at(from, {"ArtifactType"});
      !type.empty() && type != "container_image")
    return fail(
        Reason::Invalid,
        fmt::format("ArtifactType: the report is of a {}, and not of a container_image: scan the image with "
                    "`trivy image --format json`",
                    plain(type)));
  add_digest(report, string_at(from, {"Metadata", "ImageID"}));
  for (const Json& one : api::array_at(from, {"Metadata", "RepoDigests"}))
    add_digest(report, string_at(one, {}));
  Counter counter(report);
  size_t at = 0;
  for (const Json& result : api::array_at(from, {"Results"})) {
    const Json* found = api::find(result, {"Vulnerabilities"});
    if (found && !found->is_array() && !found->is_null())
      return fail(Reason::Invalid, fmt::format("Results[{}].Vulnerabilities: must be a list", at));
    ++at;
    for (const Json& v : api::array_at(result, {"Vulnerabilities"}))
      if (auto counted = counter.add(severity_of(string_at(v, {"Severity"})),
                                     string_at(v, {"VulnerabilityID"}), string_at(v, {"PkgName"}));
          !counted)
        return fail(counted.error());
    for (const Json& s : api::array_at(result, {"Secrets"}))
      if (auto counted = counter.add(severity_of(string_at(s, {"Severity"})), string_at(s, {"RuleID"}),
                                     string_at(result, {"Target"}));
          !counted)
        return fail(counted.error());
  }
  counter.finish();
  return report;
}

bool dismissed(const Json& vulnerability) {
  const std::string_view state = string_at(vulnerability, {"analysis", "state"});
  return state == "false_positive" || state == "not_affected" || state == "resolved" ||
         state == "resolved_with_pedigree";
}

// Of several ratings the worst one.
Severity rated(const Json& vulnerability) {
  Severity worst = Severity::Unknown;
  for (const Json& rating : api::array_at(vulnerability, {"ratings"}))
    worst = std::max(worst, severity_of(string_at(rating, {"severity"})));
  return worst;
}

void scanner_of(const Json& from, ScanReport& report) {
  const Json* tools = api::find(from, {"metadata", "tools"});
  if (!tools) return;
  const api::JsonArray& list = tools->is_array() ? tools->get_array() : api::array_at(*tools, {"components"});
  if (list.empty()) return;
  report.scanner = plain(string_at(list[0], {"name"}));
  if (const std::string_view version = string_at(list[0], {"version"}); !version.empty())
    report.scanner += " " + plain(version);
}

Result<ScanReport> cyclonedx(const Json& from) {
  ScanReport report{.format = "cyclonedx"};
  scanner_of(from, report);
  report.image = plain(string_at(from, {"metadata", "component", "name"}));
  report.at = parse_rfc3339(string_at(from, {"metadata", "timestamp"}));
  for (const Json& p : api::array_at(from, {"metadata", "component", "properties"}))
    if (string_at(p, {"name"}) == "aquasecurity:trivy:ImageID") add_digest(report, string_at(p, {"value"}));
  for (const Json& p : api::array_at(from, {"metadata", "component", "properties"}))
    if (string_at(p, {"name"}) == "aquasecurity:trivy:RepoDigest")
      add_digest(report, string_at(p, {"value"}));
  add_digest(report, string_at(from, {"metadata", "component", "version"}));
  for (const Json& h : api::array_at(from, {"metadata", "component", "hashes"}))
    if (string_at(h, {"alg"}) == "SHA-256")
      add_digest(report, fmt::format("sha256:{}", string_at(h, {"content"})));
  const Json* found = api::find(from, {"vulnerabilities"});
  if (!found)
    return fail(
        Reason::Invalid,
        "vulnerabilities: the document lists none, not even an empty list, as one that only says what is in "
        "the image: have the scanner look for vulnerabilities, as `trivy image --scanners vuln --format "
        "cyclonedx` does");
  if (!found->is_array()) return fail(Reason::Invalid, "vulnerabilities: must be a list");
  Counter counter(report);
  for (const Json& v : found->get_array()) {
    if (dismissed(v)) continue;
    const api::JsonArray& affects = api::array_at(v, {"affects"});
    const std::string_view first = affects.empty() ? "" : string_at(affects[0], {"ref"});
    for (size_t i = 0; i < std::max<size_t>(affects.size(), 1); ++i)
      if (auto counted =
              counter.add(rated(v), string_at(v, {"id"}), i == 0 ? first : string_at(affects[i], {"ref"}));
          !counted)
        return fail(counted.error());
  }
  counter.finish();
  return report;
}

}  // namespace

Result<ScanReport> parse_scan_report(std::string_view text) {
  if (text.size() > kLargestReport)
    return fail(Reason::Invalid, fmt::format("the report is larger than {} MiB", kLargestReport >> 20));
  const auto json = api::parse_json(text);
  if (!json) return fail(Reason::Invalid, fmt::format("the report is no JSON: {}", json.error().message));
  if (string_at(*json, {"bomFormat"}) == "CycloneDX") return cyclonedx(*json);
  if (const auto version = api::int_at(*json, {"SchemaVersion"});
      version && api::find(*json, {"ArtifactName"})) {
    if (*version != 2)
      return fail(Reason::Invalid,
                  fmt::format("SchemaVersion: {} is not known; reports of version 2 are read", *version));
    return trivy(*json);
  }
  return fail(Reason::Invalid,
              "the report is neither Trivy's JSON (SchemaVersion, ArtifactName) nor CycloneDX (bomFormat): "
              "make it with "
              "`trivy image --format json` or `--format cyclonedx`");
}

api::JsonObject scan_spec(const ScanReport& report, std::string_view digest, WallTime otherwise) {
  api::JsonArray worst;
  for (const std::string& one : report.worst) worst.emplace_back(one);
  api::JsonObject spec{{"digest", digest},
                       {"scannedAt", to_rfc3339(report.at.value_or(otherwise))},
                       {"format", report.format},
                       {"findings", api::JsonObject{{"critical", report.critical},
                                                    {"high", report.high},
                                                    {"medium", report.medium},
                                                    {"low", report.low},
                                                    {"unknown", report.unknown}}},
                       {"worst", std::move(worst)}};
  if (!report.scanner.empty()) spec["scanner"] = report.scanner;
  return spec;
}

}  // namespace ingot::policy
