#include "host/artifacts.h"

#include <fcntl.h>

#include <utility>

#include "host/artifact_out.h"
#include "host/http_ask.h"
#include "host/left_behind.h"

namespace ingot::host {
namespace {

constexpr int kThreads = 8, kOfOne = 3;
constexpr int kReading = 4, kReadingOfOne = 2;  // small outputs, which do not wait for large ones
constexpr int kAsking = 16, kAskingOfOne = 6;   // they wait, mostly

Result<node::Brought> bring_all(env::Blobs& blobs, const node::Bring& ask, const PodPlace& place) {
  node::Brought all;
  for (size_t i = 0; i < ask.artifacts.size(); ++i) {
    const auto one = bring_artifact(blobs, ask, i, place);
    if (!one) return fail(one.error());
    all.push_back(*one);
  }
  return all;
}

node::Left keep_all(env::Blobs& blobs, const node::LeftBy& by, const Layers& layers) {
  node::Left left = left_behind(by, layers.written);
  if (by.artifacts.empty()) return left;
  const Fd view = open_view(layers);
  const Stopped stopped = [&] { return by.stop && *by.stop; };
  for (const node::ArtifactOut& a : by.artifacts) {
    const auto [volume, rest] = place_of(a.path, by);
    const Fd other = volume.empty() ? Fd() : Fd(::open(volume.c_str(), O_PATH | O_NOFOLLOW | O_CLOEXEC));
    left.artifacts.insert_or_assign(
        a.name, keep_artifact(blobs, ClusterId{by.cluster}, a, volume.empty() ? view : other, rest, stopped));
  }
  return left;
}

}  // namespace

Artifacts::Artifacts(env::Loop& loop, env::Blobs& blobs)
    : loop_(loop),
      blobs_(blobs),
      crew_(kThreads, kOfOne, "artifacts"),
      reading_(kReading, kReadingOfOne, "outputs"),
      asking_(kAsking, kAskingOfOne, "requests") {}

void Artifacts::bring(node::Bring ask, PodPlace place, node::Callback<node::Brought> done) {
  const std::string cluster = ask.cluster;
  const node::Stop stop = ask.stop;
  aside<node::Brought>(
      crew_, loop_, cluster, stop, std::move(done),
      [this, ask = std::move(ask), place = std::move(place)] { return bring_all(blobs_, ask, place); });
}

void Artifacts::keep(node::LeftBy by, Layers layers, node::Callback<node::Left> done) {
  const std::string cluster = by.cluster;
  const node::Stop stop = by.stop;
  FairCrew& crew = by.artifacts.empty() ? reading_ : crew_;
  aside<node::Left>(crew, loop_, cluster, stop, std::move(done),
                    [this, by = std::move(by), layers = std::move(layers)]() -> Result<node::Left> {
                      return keep_all(blobs_, by, layers);
                    });
}

void Artifacts::ask(node::HttpAsk what, PodPlace place, node::Callback<node::HttpAnswer> done) {
  const std::string cluster = what.cluster;
  const node::Stop stop = what.stop;
  aside<node::HttpAnswer>(
      asking_, loop_, cluster, stop, std::move(done),
      [what = std::move(what), place = std::move(place)] { return ask_apart(what, place); });
}

void Artifacts::keep(const std::string& cluster, const node::ArtifactOut& a, Files files,
                     node::Callback<node::Kept> done) {
  aside<node::Kept>(crew_, loop_, cluster, nullptr, std::move(done),
                    [this, cluster, a, files = std::move(files)] {
                      return keep_files(blobs_, ClusterId{cluster}, a, files);
                    });
}

void Artifacts::find(const std::string& cluster, const Digest& digest, node::Callback<node::Kept> done) {
  aside<node::Kept>(crew_, loop_, cluster, nullptr, std::move(done),
                    [this, cluster, digest]() -> Result<node::Kept> {
                      const auto info = blobs_.stat(ClusterId{cluster}, digest);
                      if (!info) return fail(info.error());
                      return node::Kept{info->digest, info->bytes};
                    });
}

}  // namespace ingot::host
