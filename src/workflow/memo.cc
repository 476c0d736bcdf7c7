#include "workflow/memo.h"

#include <algorithm>
#include <map>

#include "api/names.h"
#include "workflow/values.h"

namespace ingot::workflow {

using api::find;
using api::string_at;

namespace {

constexpr size_t kMostKey = 253;

std::unexpected<std::string> wrong(std::string text) { return std::unexpected(std::move(text)); }

// As Argo takes them: letters, digits and dashes.
bool good_key(std::string_view key) {
  const auto plain = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
  };
  return !key.empty() && key.size() <= kMostKey && plain(key.front()) &&
         std::ranges::all_of(key, [&](char c) { return plain(c) || c == '-'; });
}

// `data` of a ConfigMap that says it is a cache.
Or<const JsonObject*> entries(const Json& map) {
  if (string_at(map, {"metadata", "labels", kConfigMapTypeLabel}) != "Cache")
    return wrong("memoize: configmap \"" + std::string(string_at(map, {"metadata", "name"})) +
                 "\" has no label " + std::string(kConfigMapTypeLabel) + ": Cache");
  return &api::object_at(map, {"data"});
}

}  // namespace

Or<void> check_memoize(const Json& memoize) {
  if (string_at(memoize, {"key"}).empty()) return wrong("memoize.key is required");
  if (string_at(memoize, {"cache", "configMap", "name"}).empty())
    return wrong("memoize.cache.configMap.name is required");
  if (const std::string_view age = string_at(memoize, {"maxAge"});
      !age.empty() && age.find("{{") == age.npos && !parse_duration(age))
    return wrong("memoize.maxAge '" + std::string(age) + "' is no duration");
  return {};
}

Or<MemoKey> memo_key(const Json& memoize) {
  if (const auto good = check_memoize(memoize); !good) return wrong(good.error());
  MemoKey out{std::string(string_at(memoize, {"cache", "configMap", "name"})),
              std::string(string_at(memoize, {"key"})), std::nullopt};
  if (!good_key(out.key))
    return wrong("memoize.key '" + out.key.substr(0, 100) + "' is not made of letters, digits and dashes");
  if (const auto named = api::dns_subdomain_fault(out.map); !named.empty())
    return wrong("memoize.cache.configMap.name '" + out.map.substr(0, 100) + "' is no name of a ConfigMap");
  if (const std::string_view age = string_at(memoize, {"maxAge"}); !age.empty()) {
    out.max_age = parse_duration(age);
    if (!out.max_age) return wrong("memoize.maxAge '" + std::string(age) + "' is no duration");
  }
  return out;
}

Or<std::optional<Values>> recall(const Json* map, const MemoKey& memo, WallTime now) {
  if (!map) return std::nullopt;
  const auto data = entries(*map);
  if (!data) return wrong(data.error());
  const Json* text = (*data)->if_contains(memo.key);
  if (!text) return std::nullopt;
  const auto entry = api::parse_json(string_at(*text, {}));
  if (!entry || !entry->is_object())
    return wrong("memoize: what configmap \"" + memo.map + "\" keeps under \"" + memo.key + "\" is no entry");
  const auto made = parse_rfc3339(string_at(*entry, {"creationTimestamp"}));
  if (memo.max_age && (!made || *made + std::chrono::duration_cast<WallTime::duration>(*memo.max_age) < now))
    return std::nullopt;
  const Json* outputs = find(*entry, {"outputs"});
  return outputs && outputs->is_object() ? std::make_shared<const Json>(*outputs) : Values();
}

namespace {

// The entry as it will be; "": it stays as it is.
std::string entry_after(const JsonObject& data, const Memo& memo, WallTime now) {
  if (!memo.hit)
    return api::to_text(JsonObject{{"nodeID", text_json(memo.node_id)},
                                   {"outputs", memo.outputs ? *memo.outputs : Json(nullptr)},
                                   {"creationTimestamp", text_json(to_rfc3339(now))},
                                   {"lastHitTimestamp", text_json(to_rfc3339(now))}});
  const Json* text = data.if_contains(memo.key);
  if (!text) return "";
  auto entry = api::parse_json(string_at(*text, {}));
  if (!entry || !entry->is_object()) return "";
  const auto noted = parse_rfc3339(string_at(*entry, {"lastHitTimestamp"}));
  if (noted && now < *noted + std::chrono::duration_cast<WallTime::duration>(kNoted)) return "";
  api::set(*entry, {"lastHitTimestamp"}, to_rfc3339(now));
  return api::to_text(*entry);
}

}  // namespace

std::optional<Json> remember(const Json* map, std::span<const Memo* const> memos, WallTime now,
                             std::vector<Forgotten>& lost) {
  const auto lose = [&](const Memo& memo, std::string why) {
    if (!memo.hit) lost.push_back({memo.node, std::move(why)});
  };
  if (map)
    if (const auto data = entries(*map); !data) {
      for (const Memo* memo : memos) lose(*memo, data.error());
      return std::nullopt;
    }
  static const JsonObject none;
  std::map<std::string, std::string> after;  // by key
  std::vector<const Memo*> kept;
  for (const Memo* memo : memos) {
    if (after.contains(memo->key)) continue;  // equal ones of one turn
    if (std::string entry = entry_after(map ? *entries(*map).value() : none, *memo, now); !entry.empty()) {
      after.emplace(memo->key, std::move(entry));
      kept.push_back(memo);
    }
  }
  if (kept.empty()) return std::nullopt;
  Json out = map ? *map
                 : Json(JsonObject{{"apiVersion", "v1"},
                                   {"kind", "ConfigMap"},
                                   {"metadata", JsonObject{{"name", text_json(kept.front()->map)}}}});
  if (!map) api::set(out, {"metadata", "labels", kConfigMapTypeLabel}, "Cache");
  size_t size = api::to_text(out).size();
  bool any = false;
  for (const Memo* memo : kept) {
    const std::string& entry = after.at(memo->key);
    const Json* before = find(out, {"data", memo->key});
    // As texts in a text; never less than it takes.
    const size_t more = api::to_text(text_json(entry)).size() + memo->key.size() + 16,
                 less = before ? api::to_text(*before).size() : 0;
    if (size + more > kMostRemembered + less) {
      lose(*memo, "memoize: configmap \"" + memo->map + "\" is full; nothing was kept");
      continue;
    }
    size += more - less;
    api::set(out, {"data", memo->key}, entry);
    any = true;
  }
  return any ? std::optional(std::move(out)) : std::nullopt;
}

}  // namespace ingot::workflow
