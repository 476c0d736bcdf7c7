// ingot lineage, ingot model lineage
#include <fmt/format.h>

#include <chrono>

#include "ingot/client.h"
#include "ingot/dataset_versions.h"
#include "ingot/lineage_text.h"
#include "ingot/model.h"
#include "ingot/output.h"
#include "registry/lineage_forms.h"

namespace ingot {
namespace {

constexpr std::string_view kWhat =
    "write model/NAME[@VERSION], dataset/NAME@VERSION, dataset/DIGEST, commit/SHA, run/NAME or image/DIGEST";

int show(Client& client, const LineageOptions& options, const std::string& tenant, const std::string& of) {
  auto answer =
      client.get(fmt::format("/clusters/{}/apis/factory.ingot.dev/v1alpha1/lineage?of={}&way={}&nodes={}",
                             tenant, query_value(of), query_value(options.way), options.nodes));
  if (!answer) return failed(answer.error());
  if (options.format == "json") {
    print_json(*answer);
  } else if (options.format == "svg") {
    fmt::print("{}", registry::lineage_svg(*answer));
  } else if (options.format == "openlineage") {
    for (const std::string& event : registry::open_lineage(*answer, tenant)) fmt::print("{}\n", event);
  } else {
    const auto now = std::chrono::floor<std::chrono::microseconds>(std::chrono::system_clock::now());
    fmt::print("{}", lineage_text(*answer, now));
  }
  return kOk;
}

// As the factory calls it: KIND/NAME, where a data set's version has its namespace and number in its name.
Result<std::string> asked_of(Client& client, const LineageOptions& options, const Place& place) {
  const size_t slash = options.of.find('/');
  const std::string kind = options.of.substr(0, slash),
                    name = slash == options.of.npos ? "" : options.of.substr(slash + 1);
  if (name.empty()) return fail(Reason::Invalid, fmt::format("\"{}\": {}", options.of, kWhat));
  if (kind == "commit" || kind == "image") return options.of;
  if (kind == "run") return name.size() == 36 ? options.of : fmt::format("run/{}/{}", place.ns, name);
  if (kind == "model") {
    auto model = model_place(client, {.tenant = place.tenant}, name);
    if (!model) return fail(model.error());
    return fmt::format("model/{}{}{}", model->object, model->version.empty() ? "" : "@", model->version);
  }
  if (kind != "dataset") return fail(Reason::Invalid, fmt::format("\"{}\": {}", options.of, kWhat));
  if (name.starts_with("sha256:")) return "data/" + name;
  auto wanted = read_wanted(name);
  if (!wanted) return fail(wanted.error());
  if (wanted->version == 0) {
    auto newest = find_version(client, place, *wanted);
    if (!newest)
      return fail(newest.error().reason, newest.error().message +
                                             "\n  of one that was deleted say which version: dataset/" +
                                             wanted->name + "@1");
    wanted->version = number_of(*newest);
  }
  return fmt::format("data/{}/{}-v{}", place.ns, wanted->name, wanted->version);
}

}  // namespace

int lineage(const Common& common, const LineageOptions& options) {
  auto client = Client::open(common);
  if (!client) return failed(client.error());
  auto place = place_of(*client, options.tenant, options.ns, "lineage");
  if (!place) return failed(place.error());
  auto of = asked_of(*client, options, *place);
  if (!of) return failed(of.error());
  return show(*client, options, place->tenant, *of);
}

int model_lineage(const Common& common, const LineageOptions& options) {
  auto client = Client::open(common);
  if (!client) return failed(client.error());
  auto place = model_place(*client, {.name = options.of, .tenant = options.tenant}, options.of);
  if (!place) return failed(place.error());
  std::string of = "model/" + place->object;
  if (!place->version.empty()) of += "@" + place->version;
  return show(*client, options, place->tenant, of);
}

}  // namespace ingot
