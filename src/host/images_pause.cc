#include <fmt/format.h>

#include "api/json.h"
#include "base/encoding.h"
#include "host/images.h"
#include "host/images_tar.h"

// The program of images/pause, compiled by room.cmake.
__asm__(
    ".section .rodata\n"
    ".global ingot_pause_begin\n"
    ".global ingot_pause_end\n"
    "ingot_pause_begin:\n"
    ".incbin \"" INGOT_PAUSE_PROGRAM
    "\"\n"
    "ingot_pause_end:\n"
    ".byte 0\n"
    ".text\n");
extern "C" const char ingot_pause_begin[], ingot_pause_end[];

namespace ingot::host {
namespace {

using api::JsonArray;
using api::JsonObject;

#if defined(__aarch64__)
constexpr const char* kArchitecture = "arm64";
#else
constexpr const char* kArchitecture = "amd64";
#endif

std::string digest_of(std::string_view bytes) { return "sha256:" + hex(sha256(bytes)); }

JsonObject descriptor(const char* type, const std::string& bytes) {
  JsonObject d;
  d["mediaType"] = type;
  d["digest"] = digest_of(bytes);
  d["size"] = bytes.size();
  return d;
}

void append_blob(std::string& archive, const std::string& bytes) {
  tar_append(archive, "blobs/sha256/" + hex(sha256(bytes)), bytes, 0644);
}

}  // namespace

PauseImage make_pause_image() {
  std::string layer;
  tar_append(layer, "pause", std::string_view(ingot_pause_begin, size_t(ingot_pause_end - ingot_pause_begin)),
             0755);
  tar_finish(layer);

  JsonObject run;
  run["Entrypoint"] = JsonArray{"/pause"};
  run["User"] = "65535:65535";
  JsonObject rootfs;
  rootfs["type"] = "layers";
  rootfs["diff_ids"] = JsonArray{api::Json(digest_of(layer))};
  JsonObject config;
  config["architecture"] = kArchitecture;
  config["os"] = "linux";
  config["config"] = run;
  config["rootfs"] = rootfs;
  const std::string config_text = api::to_text(config);

  JsonObject manifest;
  manifest["schemaVersion"] = 2;
  manifest["mediaType"] = "application/vnd.oci.image.manifest.v1+json";
  manifest["config"] = descriptor("application/vnd.oci.image.config.v1+json", config_text);
  manifest["layers"] = JsonArray{descriptor("application/vnd.oci.image.layer.v1.tar", layer)};
  const std::string manifest_text = api::to_text(manifest);

  PauseImage image;
  image.reference = "ingot.local/pause:" + hex(sha256(manifest_text)).substr(0, 12);
  JsonObject annotations;
  annotations["io.containerd.image.name"] = image.reference;
  JsonObject entry = descriptor("application/vnd.oci.image.manifest.v1+json", manifest_text);
  entry["annotations"] = annotations;
  JsonObject index;
  index["schemaVersion"] = 2;
  index["manifests"] = JsonArray{entry};

  tar_append(image.archive, "oci-layout", R"({"imageLayoutVersion":"1.0.0"})", 0644);
  tar_append(image.archive, "index.json", api::to_text(index), 0644);
  append_blob(image.archive, manifest_text);
  append_blob(image.archive, config_text);
  append_blob(image.archive, layer);
  tar_finish(image.archive);
  return image;
}

}  // namespace ingot::host
