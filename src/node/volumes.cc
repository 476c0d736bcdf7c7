#include "node/volumes.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/encoding.h"
#include "base/quantity.h"

namespace ingot::node {
namespace {
using api::Json;
using FileMap = std::map<std::string, Files::Entry>;

bool safe_relative(std::string_view path) {
  if (path.empty() || path.front() == '/' || path.size() > 4096) return false;
  for (size_t at = 0; at <= path.size();) {
    const size_t end = std::min(path.find('/', at), path.size());
    const std::string_view part = path.substr(at, end - at);
    // Names that start with ".." are how the swap into place is done.
    if (part.empty() || part == "." || part.starts_with("..")) return false;
    at = end + 1;
  }
  return true;
}

uint32_t mode_of(const Json& holder, std::string_view field, uint32_t otherwise) {
  return uint32_t(std::clamp<int64_t>(api::int_at(holder, {field}).value_or(otherwise), 0, 0777));
}

Result<void> put(FileMap& files, std::string_view path, std::string bytes, uint32_t mode) {
  if (!safe_relative(path))
    return fail(Reason::Invalid,
                fmt::format("path \"{}\" must be relative and stay inside the volume", path));
  files[std::string(path)] = {std::move(bytes), mode};
  return {};
}

// Every key of a ConfigMap or Secret as bytes.
Result<std::map<std::string, std::string>> all_keys(const Json& object, bool secret) {
  std::map<std::string, std::string> out;
  for (const auto& member : api::object_at(object, {"data"})) {
    const std::string_view value = api::string_at(member.value(), {});
    auto bytes = secret ? parse_base64(value) : std::optional<std::string>(value);
    if (bytes) out[std::string(member.key())] = std::move(*bytes);
  }
  if (secret) return out;
  for (const auto& member : api::object_at(object, {"binaryData"}))
    if (auto bytes = parse_base64(api::string_at(member.value(), {})))
      out[std::string(member.key())] = std::move(*bytes);
  return out;
}

struct Render {
  const Pod& pod;
  const PodConfig& config;
  const NodeFacts& node;
  uint32_t default_mode = 0644;
  FileMap files{};

  Result<void> keyed(const Json& source, std::string_view name, bool secret) {
    const auto& objects = secret ? config.secrets : config.config_maps;
    const auto it = objects.find(std::string(name));
    const bool optional = api::bool_at(source, {"optional"});
    if (it == objects.end() || !it->second) {
      if (optional) return {};
      return fail(Reason::NotFound,
                  fmt::format("{} \"{}\" not found", secret ? "secret" : "configmap", name));
    }
    auto keys = all_keys(*it->second, secret);
    if (!keys) return fail(keys.error());
    const api::JsonArray& items = api::array_at(source, {"items"});
    if (items.empty()) {
      for (auto& [key, bytes] : *keys)
        if (auto done = put(files, key, std::move(bytes), default_mode); !done) return done;
      return {};
    }
    for (const Json& item : items) {
      const std::string key(api::string_at(item, {"key"}));
      const auto found = keys->find(key);
      if (found == keys->end()) {
        if (optional) continue;
        return fail(Reason::NotFound,
                    fmt::format("{} \"{}\" has no key \"{}\"", secret ? "secret" : "configmap", name, key));
      }
      if (auto done =
              put(files, api::string_at(item, {"path"}), found->second, mode_of(item, "mode", default_mode));
          !done)
        return done;
    }
    return {};
  }

  Result<void> downward(const api::JsonArray& items) {
    for (const Json& item : items) {
      Result<std::string> value =
          fail(Reason::Invalid, "a downwardAPI item needs fieldRef or resourceFieldRef");
      if (const Json* field = api::find(item, {"fieldRef"})) {
        value = field_value(pod, api::string_at(*field, {"fieldPath"}), node);
      } else if (const Json* resource = api::find(item, {"resourceFieldRef"})) {
        const ContainerDef* c = pod.container(api::string_at(*resource, {"containerName"}));
        if (!c)
          return fail(Reason::Invalid,
                      fmt::format("container {} not found", api::string_at(*resource, {"containerName"})));
        value = resource_value(*c, api::string_at(*resource, {"resource"}),
                               api::string_at(*resource, {"divisor"}), node);
      }
      if (!value) return fail(value.error());
      if (auto done = put(files, api::string_at(item, {"path"}), std::move(*value),
                          mode_of(item, "mode", default_mode));
          !done)
        return done;
    }
    return {};
  }

  Result<void> token(const Json& source) {
    const TokenRef ref{std::string(api::string_at(source, {"audience"})),
                       api::int_at(source, {"expirationSeconds"}).value_or(3600)};
    const auto it = config.tokens.find(ref);
    if (it == config.tokens.end())
      return fail(Reason::NotFound, "the service account token was not issued yet");
    return put(files, api::string_at(source, {"path"}), it->second.text, default_mode);
  }

  Result<void> projected(const api::JsonArray& sources) {
    for (const Json& source : sources) {
      Result<void> done =
          fail(Reason::Invalid, "this node does not support one of the projected volume's sources");
      if (const Json* s = api::find(source, {"configMap"}))
        done = keyed(*s, api::string_at(*s, {"name"}), false);
      else if (const Json* s = api::find(source, {"secret"}))
        done = keyed(*s, api::string_at(*s, {"name"}), true);
      else if (api::find(source, {"downwardAPI"}))
        done = downward(api::array_at(source, {"downwardAPI", "items"}));
      else if (const Json* s = api::find(source, {"serviceAccountToken"}))
        done = token(*s);
      if (!done) return done;
    }
    return {};
  }
};

Result<VolumeContent> finish(Render& render, Result<void> done, bool memory) {
  if (!done) return fail(done.error());
  size_t bytes = 0;
  for (const auto& [path, entry] : render.files) bytes += path.size() + entry.bytes.size();
  if (bytes > kMaxVolumeBytes)
    return fail(Reason::RequestEntityTooLarge,
                fmt::format("{} bytes, at most {} fit", bytes, kMaxVolumeBytes));
  return FileVolume{std::move(render.files), memory};
}

EmptyVolume empty_volume(const Json& source) {
  EmptyVolume v{.memory = api::string_at(source, {"medium"}) == "Memory"};
  const Json* limit = api::find(source, {"sizeLimit"});
  if (!limit) return v;
  if (const auto bytes = api::int_at(*limit, {}))
    v.size_limit_bytes = *bytes;
  else if (const auto parsed = Quantity::parse(api::string_at(*limit, {})))
    v.size_limit_bytes = parsed->units();
  return v;
}

// In the namespace of the pod: another's is not there.
Result<VolumeContent> dataset_volume(const Pod& pod, const PodConfig& config, const DatasetRef& ref) {
  if (ref.dataset.empty()) return fail(Reason::Invalid, "csi.volumeAttributes.dataset is required");
  if (ref.version.empty())
    return fail(Reason::NotFound, fmt::format("data set \"{}\" has no version in namespace \"{}\": `ingot "
                                              "dataset list` shows what there is",
                                              ref.dataset, pod.ns));
  const auto found = config.dataset_versions.find(ref.object());
  if (found == config.dataset_versions.end())
    return fail(Reason::Invalid,
                fmt::format("csi.volumeAttributes.version \"{}\" is no number", ref.version));
  if (!found->second)
    return fail(Reason::NotFound, fmt::format("data set \"{}\" has no version {} in namespace \"{}\"",
                                              ref.dataset, ref.version, pod.ns));
  const auto digest = Digest::parse(api::string_at(*found->second, {"spec", "manifest"}));
  if (!digest) return fail(Reason::Invalid, fmt::format("version {} names no manifest", ref.object()));
  return DatasetVolume{*digest};
}

std::string fingerprint(const VolumeContent& content) {
  if (const auto* dataset = std::get_if<DatasetVolume>(&content)) return dataset->manifest.text();
  const auto* files = std::get_if<FileVolume>(&content);
  if (!files) return "empty";
  std::string all;
  for (const auto& [path, entry] : files->files)
    all += fmt::format("{}\n{:o} {}\n{}", path, entry.mode, entry.bytes.size(), entry.bytes);
  return sha256(all);
}
}  // namespace

Result<VolumeContent> content_of(const Pod& pod, const Json& volume, const PodConfig& config,
                                 const NodeFacts& node) {
  Render render{pod, config, node};
  if (const Json* s = api::find(volume, {"configMap"})) {
    render.default_mode = mode_of(*s, "defaultMode", 0644);
    return finish(render, render.keyed(*s, api::string_at(*s, {"name"}), false), false);
  }
  if (const Json* s = api::find(volume, {"secret"})) {
    render.default_mode = mode_of(*s, "defaultMode", 0644);
    return finish(render, render.keyed(*s, api::string_at(*s, {"secretName"}), true), true);
  }
  if (const Json* s = api::find(volume, {"downwardAPI"})) {
    render.default_mode = mode_of(*s, "defaultMode", 0644);
    return finish(render, render.downward(api::array_at(*s, {"items"})), false);
  }
  if (const Json* s = api::find(volume, {"projected"})) {
    render.default_mode = mode_of(*s, "defaultMode", 0644);
    return finish(render, render.projected(api::array_at(*s, {"sources"})), true);
  }
  if (const auto ref = dataset_of(volume)) return dataset_volume(pod, config, *ref);
  if (api::find(volume, {"csi"}))
    return fail(Reason::Invalid,
                fmt::format("driver name {} not found in the list of registered CSI drivers; {} is",
                            api::string_at(volume, {"csi", "driver"}), kDatasetDriver));
  std::string_view type = "no type";
  const api::JsonObject& members = api::object_at(volume, {});
  for (const auto& member : members)
    if (member.key() != "name" && !member.value().is_null()) type = member.key();
  // A volume without a source is an emptyDir (defaulting).
  if (const Json* s = api::find(volume, {"emptyDir"})) return empty_volume(*s);
  if (type == "no type") return EmptyVolume{};
  return fail(Reason::Invalid, fmt::format("volumes of type {} are not supported; use emptyDir, configMap, "
                                           "secret, projected, downwardAPI or csi",
                                           type));
}

Result<void> PodVolumes::sync(const Pod& pod, const PodConfig& config, const NodeFacts& node) {
  for (const Json& volume : api::array_at(pod.object, {"spec", "volumes"})) {
    const std::string name(api::string_at(volume, {"name"}));
    auto content = content_of(pod, volume, config, node);
    const auto failed = [&](const Error& e) {
      return fail(e.reason, fmt::format("MountVolume.SetUp failed for volume \"{}\" : {}", name, e.message));
    };
    if (!content) return failed(content.error());
    const std::string print = fingerprint(*content);
    const auto it = made_.find(name);
    if (it != made_.end() && it->second.fingerprint == print) continue;
    Result<std::string> path;
    if (const auto* files = std::get_if<FileVolume>(&*content)) {
      path = files_.write_volume(pod.uid, name, files->files, files->memory);
    } else if (const auto* dataset = std::get_if<DatasetVolume>(&*content)) {
      const auto there = datasets_.find(dataset->manifest);
      path = there != datasets_.end() ? Result<std::string>(there->second)
                                      : fail(Reason::InternalError, "its files are not there yet");
    } else {
      const auto& empty = std::get<EmptyVolume>(*content);
      path = files_.empty_volume(pod.uid, name, empty.memory, empty.size_limit_bytes);
    }
    if (!path) return failed(path.error());
    made_[name] = {*path, print, std::holds_alternative<EmptyVolume>(*content)};
  }
  return {};
}

std::vector<Digest> PodVolumes::missing_datasets(const Pod& pod, const PodConfig& config) const {
  std::vector<Digest> missing;
  for (const Json& volume : api::array_at(pod.object, {"spec", "volumes"})) {
    const auto ref = dataset_of(volume);
    const auto content = ref ? dataset_volume(pod, config, *ref) : fail(Reason::NotFound, "");
    if (!content) continue;
    const Digest& manifest = std::get<DatasetVolume>(*content).manifest;
    if (!datasets_.contains(manifest) && std::ranges::find(missing, manifest) == missing.end())
      missing.push_back(manifest);
  }
  return missing;
}

Result<std::vector<Mount>> PodVolumes::mounts(const Pod& pod, const ContainerDef& c,
                                              const Environment& env) const {
  std::vector<Mount> out;
  for (const Json& mount : api::array_at(*c.spec, {"volumeMounts"})) {
    const std::string name(api::string_at(mount, {"name"}));
    const auto it = made_.find(name);
    if (it == made_.end())
      return fail(Reason::Invalid,
                  fmt::format("volumeMounts names \"{}\", which is no volume of the pod", name));
    const Made& made = it->second;
    std::string sub(api::string_at(mount, {"subPath"}));
    if (const auto expr = api::string_at(mount, {"subPathExpr"}); !expr.empty()) sub = expand(expr, env);
    if (!sub.empty() && !safe_relative(sub))
      return fail(Reason::Invalid,
                  fmt::format("subPath \"{}\" must be relative and stay inside the volume", sub));
    // What a container can write it can turn into a link, which the mount would follow on the host.
    if (!sub.empty() && made.writable)
      return fail(
          Reason::Invalid,
          fmt::format("subPath of emptyDir volume \"{}\" is not supported; mount the whole volume", name));
    out.push_back({.host_path = sub.empty() ? made.host_path : made.host_path + "/" + sub,
                   .container_path = std::string(api::string_at(mount, {"mountPath"})),
                   .read_only = !made.writable || api::bool_at(mount, {"readOnly"})});
  }
  return out;
}

}  // namespace ingot::node
