// ingot image scan add|list
#include <fmt/format.h>

#include <algorithm>
#include <fstream>

#include "base/digest.h"
#include "ingot/blob_client.h"
#include "ingot/gate_view.h"
#include "ingot/output.h"
#include "policy/scan_report.h"

namespace ingot {
namespace {

using api::Json;
using api::JsonArray;
using api::JsonObject;
using api::string_at;

Result<std::string> read_report(const std::string& path) {
  std::ifstream in(path, std::ios::binary | std::ios::ate);
  if (!in) return fail(Reason::Invalid, fmt::format("{} cannot be read", path));
  const auto size = std::streamoff(in.tellg());
  if (size < 0 || size_t(size) > policy::kLargestReport)
    return fail(Reason::Invalid, fmt::format("{} is larger than {} MiB", path, policy::kLargestReport >> 20));
  std::string text(size_t(size), '\0');
  in.seekg(0);
  in.read(text.data(), size);
  if (in.gcount() != size) return fail(Reason::Invalid, fmt::format("{} cannot be read", path));
  return text;
}

// The digest of the image that the report speaks for: what the factory runs.
Result<std::string> digest_of(const GateView& view, const policy::ScanReport& report,
                              const ImageOptions& options) {
  if (!options.image.empty()) {
    auto digest = view.known.find(options.tenant, options.image);
    if (!digest) return fail(digest.error());
    if (!report.digests.empty() && std::ranges::find(report.digests, *digest) == report.digests.end())
      return fail(
          Reason::Invalid,
          fmt::format(
              "the report is of {} ({}), and image {} of the factory is {}\n  scan the image that was "
              "loaded, or leave out --image to keep the report for the other one",
              report.image, report.digests.front(), options.image, *digest));
    return digest;
  }
  for (const std::string& digest : report.digests)
    for (const Json& image : view.images)
      if (string_at(image, {"spec", "digest"}) == digest) return digest;
  if (report.digests.empty())
    return fail(Reason::Invalid,
                "the report does not say by digest which image it is of: name it with --image");
  return report.digests.front();
}

std::string names_of(const GateView& view, std::string_view digest) {
  std::string out;
  for (const Json& image : view.images)
    if (string_at(image, {"spec", "digest"}) == digest)
      out += fmt::format("{}{}", out.empty() ? "" : ", ", string_at(image, {"spec", "reference"}));
  return out.empty() ? "not loaded" : out;
}

std::string count(const Json& scan, std::string_view severity) {
  return std::to_string(api::int_at(scan, {"spec", "findings", severity}).value_or(0));
}

}  // namespace

int image_scan_add(const Common& common, const ImageOptions& options) {
  const auto text = read_report(options.file);
  if (!text) return failed(text.error());
  const auto report = policy::parse_scan_report(*text);
  if (!report) return failed(fmt::format("{}: {}", options.file, report.error().message));
  auto client = Client::open(common);
  if (!client) return failed(client.error());
  auto view = read_gates(*client);
  if (!view) return failed(view.error());
  auto digest = digest_of(*view, *report, options);
  if (!digest) return failed(digest.error());
  const Digest kept = Digest::of(*text);
  if (auto put = BlobClient(*client, "root").put(kept, *text); !put) return failed(put.error());
  JsonObject spec = policy::scan_spec(
      *report, *digest, std::chrono::time_point_cast<WallTime::duration>(std::chrono::system_clock::now()));
  spec["report"] = kept.text();
  const Json scan = JsonObject{
      {"apiVersion", "factory.ingot.dev/v1alpha1"},
      {"kind", "ImageScan"},
      {"metadata",
       JsonObject{{"name", fmt::format("{}-{}", digest->substr(7, 12), kept.hex().substr(0, 12))}}},
      {"spec", std::move(spec)}};
  auto made = client->call("POST", fmt::format("{}/imagescans", kFactoryApi), &scan);
  if (!made && made.error().reason == Reason::AlreadyExists)
    made = client->get(fmt::format("{}/imagescans/{}", kFactoryApi, string_at(scan, {"metadata", "name"})));
  if (!made) return failed(made.error());
  if (common.json) return print_json(*made), kOk;
  fmt::print("scan of {} ({}) added: {} critical, {} high, {} medium, {} low, {} not rated\n",
             names_of(*view, *digest), digest->substr(0, 19), count(*made, "critical"), count(*made, "high"),
             count(*made, "medium"), count(*made, "low"), count(*made, "unknown"));
  for (const Json& worst : api::array_at(*made, {"spec", "worst"}))
    fmt::print("  {}\n", string_at(worst, {}));
  return kOk;
}

int image_scan_list(const Common& common, const ImageOptions&) {
  auto client = Client::open(common);
  if (!client) return failed(client.error());
  auto view = read_gates(*client);
  if (!view) return failed(view.error());
  if (common.json) return print_json(view->scans), kOk;
  Table table({"SCAN", "IMAGE", "SCANNED", "CRITICAL", "HIGH", "MEDIUM", "LOW", "NOT RATED", "SCANNER"});
  for (size_t column = 3; column <= 7; ++column) table.right(column);
  for (const Json& scan : view->scans)
    table.row({std::string(string_at(scan, {"metadata", "name"})),
               names_of(*view, string_at(scan, {"spec", "digest"})),
               std::string(string_at(scan, {"spec", "scannedAt"})), count(scan, "critical"),
               count(scan, "high"), count(scan, "medium"), count(scan, "low"), count(scan, "unknown"),
               std::string(string_at(scan, {"spec", "scanner"}))});
  table.print();
  return kOk;
}

}  // namespace ingot
