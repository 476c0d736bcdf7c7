#include "api/managed_fields.h"

#include <algorithm>
#include <set>

namespace ingot::api {
namespace {

constexpr size_t kMaxUpdateManagers = 10;
constexpr std::string_view kAncient = "ancient-changes";

std::string_view view(boost::json::string_view s) { return {s.data(), s.size()}; }

// Never owned by anybody: identity and what the server alone writes.
bool unowned(std::string_view field, int depth) {
  if (depth == 0) return field == "apiVersion" || field == "kind";
  for (std::string_view name :
       {"name", "namespace", "uid", "resourceVersion", "creationTimestamp", "generation", "managedFields",
        "selfLink", "generateName", "deletionTimestamp", "deletionGracePeriodSeconds"})
    if (field == name) return true;
  return false;
}

// The fields that differ between two states, as a FieldsV1 tree; those only in `before` go to `removed`. Made where the
// object is, of which they become a part.
class Diff {
 public:
  explicit Diff(const boost::json::storage_ptr& where) : changed(where), removed(where) {}
  JsonObject changed, removed;

  void run(const Schema& schema, const JsonObject* before, const JsonObject& after) {
    fields(&schema, nullptr, before, after, changed, removed, 0);
  }

 private:
  using Tree = JsonObject;

  static std::string field_key(std::string_view name) {
    std::string key;
    key.reserve(name.size() + 2);
    return ((key += "f:") += name);
  }

  // Members of a struct (`schema`), of a map (`map`, its field), or of something without a type (neither).
  static void fields(const Schema* schema, const Field* map, const JsonObject* before,
                     const JsonObject& after, Tree& changed, Tree& removed, int depth) {
    for (const auto& member : after) {
      const std::string_view name = view(member.key());
      if (depth == 0 && unowned(name, 0)) continue;
      if (depth == 1 && unowned(name, 1)) continue;
      const Json* old = before ? before->if_contains(member.key()) : nullptr;
      const Field* field = schema ? schema->find(name) : nullptr;
      const bool meta = depth == 0 && name == "metadata";
      value(field, map, old, member.value(), field_key(name), changed, removed, meta ? 1 : 2);
    }
    if (!before) return;
    for (const auto& member : *before) {
      const std::string_view name = view(member.key());
      if (after.contains(member.key()) || (depth == 0 && unowned(name, 0)) ||
          (depth == 1 && unowned(name, 1)))
        continue;
      removed[field_key(name)].emplace_object();
    }
  }

  // One member under `key`. `field` says its shape; for a map's entry `map` does.
  static void value(const Field* field, const Field* map, const Json* old, const Json& now, std::string key,
                    Tree& changed, Tree& removed, int depth) {
    if (old && same(*old, now)) return;
    const Wrap wrap = field ? field->wrap : Wrap::One;
    const Schema* schema = field && wrap == Wrap::One ? field->schema : map ? map->schema : nullptr;
    const bool atomic = (field && field->atomic) || (schema && schema->atomic);
    Tree below(changed.storage()), gone(removed.storage());
    if (!atomic && field && wrap == Wrap::Map && now.is_object()) {
      if (!old) below["."].emplace_object();
      fields(nullptr, field, old ? old->if_object() : nullptr, now.get_object(), below, gone, 2);
    } else if (!atomic && field && wrap == Wrap::List && field->list_type == "map" && now.is_array()) {
      keyed(*field, old ? old->if_array() : nullptr, now.get_array(), below, gone);
    } else if (!atomic && field && wrap == Wrap::List && field->list_type == "set" && now.is_array()) {
      members(old ? old->if_array() : nullptr, now.get_array(), below, gone);
    } else if (!atomic && schema && now.is_object()) {
      fields(schema, nullptr, old ? old->if_object() : nullptr, now.get_object(), below, gone, depth);
    } else {
      changed[key].emplace_object();
      return;
    }
    if (!gone.empty()) removed[key] = std::move(gone);
    const bool empty = now.is_object() ? now.get_object().empty() : now.get_array().empty();
    if (!below.empty() || (!old && empty && depth != 1)) changed[key] = std::move(below);
  }

  static std::string item_key(const Field& field, const Json& item) {
    std::vector<std::string> names = field.list_map_keys;
    std::ranges::sort(names);
    JsonObject id;
    for (const std::string& name : names)
      if (const Json* part = find(item, {name})) id[name] = *part;
    return "k:" + to_text(id);
  }

  static const Json* same_item(const Field& field, const JsonArray* list, const std::string& key,
                               size_t hint) {
    if (!list) return nullptr;
    // Items rarely move: look at the same place first.
    if (hint < list->size() && item_key(field, (*list)[hint]) == key) return &(*list)[hint];
    for (const Json& item : *list)
      if (item_key(field, item) == key) return &item;
    return nullptr;
  }

  static void keyed(const Field& field, const JsonArray* before, const JsonArray& after, Tree& changed,
                    Tree& removed) {
    constexpr size_t kMaxCompared = 512;  // beyond, a list's items are not told apart: no quadratic work
    if (after.size() > kMaxCompared || (before && before->size() > kMaxCompared)) {
      changed["."].emplace_object();
      return;
    }
    for (size_t i = 0; i < after.size(); ++i) {
      if (!after[i].is_object()) continue;
      const std::string key = item_key(field, after[i]);
      const Json* old = same_item(field, before, key, i);
      if (old && same(*old, after[i])) continue;
      Tree below(changed.storage()), gone(removed.storage());
      if (!old) below["."].emplace_object();
      fields(field.schema, nullptr, old ? old->if_object() : nullptr, after[i].get_object(), below, gone, 2);
      if (!below.empty()) changed[key] = std::move(below);
      if (!gone.empty()) removed[key] = std::move(gone);
    }
    for (size_t i = 0; before && i < before->size(); ++i) {
      const std::string key = item_key(field, (*before)[i]);
      if (!same_item(field, &after, key, i)) removed[key].emplace_object();
    }
  }

  static void members(const JsonArray* before, const JsonArray& after, Tree& changed, Tree& removed) {
    std::set<std::string> old, now;
    if (before)
      for (const Json& item : *before) old.insert(to_text(item));
    for (const Json& item : after) now.insert(to_text(item));
    for (const std::string& item : now)
      if (!old.contains(item)) changed["v:" + item].emplace_object();
    for (const std::string& item : old)
      if (!now.contains(item)) removed["v:" + item].emplace_object();
  }
};

// A leaf of `what` takes everything below it.
void subtract(JsonObject& from, const JsonObject& what) {
  for (const auto& member : what) {
    auto own = from.find(member.key());
    if (own == from.end()) continue;
    const JsonObject* below = member.value().if_object();
    JsonObject* mine = own->value().if_object();
    if (!below || below->empty() || !mine) {
      from.erase(own);
      continue;
    }
    if (mine->empty()) continue;
    subtract(*mine, *below);
    if (mine->empty()) from.erase(own);
  }
}

void unite(JsonObject& into, const JsonObject& what) {
  for (const auto& member : what) {
    Json& own = into[member.key()];
    if (!own.is_object()) own.emplace_object();
    if (const JsonObject* below = member.value().if_object()) unite(own.get_object(), *below);
  }
}

bool is_update(const Json& entry) { return string_at(entry, {"operation"}) == "Update"; }

// Too many updaters: the oldest become one.
void cap(JsonArray& entries) {
  while (size_t(std::ranges::count_if(entries, is_update)) > kMaxUpdateManagers) {
    auto oldest = entries.end(), ancient = entries.end();
    for (auto entry = entries.begin(); entry != entries.end(); ++entry) {
      if (!is_update(*entry)) continue;
      if (string_at(*entry, {"manager"}) == kAncient)
        ancient = entry;
      else if (oldest == entries.end() || string_at(*entry, {"time"}) < string_at(*oldest, {"time"}))
        oldest = entry;
    }
    if (ancient == entries.end()) {
      oldest->get_object()["manager"] = kAncient;
      oldest->get_object().erase("subresource");
      ancient = oldest;
      continue;
    }
    unite(ancient->get_object()["fieldsV1"].get_object(), object_at(*oldest, {"fieldsV1"}));
    entries.erase(oldest);
  }
}

}  // namespace

void record_fields(const Schema& schema, const Json* before, Json& object, const FieldWrite& write) {
  JsonObject* after = object.if_object();
  if (!after) return;
  const boost::json::storage_ptr& where = after->storage();
  Diff diff(where);
  diff.run(schema, before ? before->if_object() : nullptr, *after);
  JsonArray entries(where);
  if (before) entries = array_at(*before, {"metadata", "managedFields"});
  Json* own = nullptr;
  for (auto entry = entries.begin(); entry != entries.end();) {
    Json* fields = entry->is_object() ? entry->get_object().if_contains("fieldsV1") : nullptr;
    const bool mine = string_at(*entry, {"manager"}) == write.manager &&
                      string_at(*entry, {"operation"}) == write.operation &&
                      string_at(*entry, {"subresource"}) == write.subresource;
    if (fields && fields->is_object()) {
      subtract(fields->get_object(), diff.removed);
      if (!mine) subtract(fields->get_object(), diff.changed);
    }
    entry = fields && fields->is_object() && (mine || !fields->get_object().empty()) ? entry + 1
                                                                                     : entries.erase(entry);
  }
  for (Json& entry : entries)
    if (string_at(entry, {"manager"}) == write.manager &&
        string_at(entry, {"operation"}) == write.operation &&
        string_at(entry, {"subresource"}) == write.subresource)
      own = &entry;
  if (!diff.changed.empty() || (own && !diff.removed.empty())) {
    if (!own) {
      own = &entries.emplace_back(JsonObject(where));
      own->get_object()["manager"] = write.manager;
      own->get_object()["operation"] = write.operation;
      if (!write.subresource.empty()) own->get_object()["subresource"] = write.subresource;
    }
    JsonObject& entry = own->get_object();
    entry["apiVersion"] = string_at(object, {"apiVersion"});
    entry["time"] = to_rfc3339(write.at);
    entry["fieldsType"] = "FieldsV1";
    Json& fields = entry["fieldsV1"];
    if (!fields.is_object())
      fields = std::move(diff.changed);
    else
      unite(fields.get_object(), diff.changed);
    if (fields.get_object().empty()) entries.erase(entries.begin() + (own - entries.data()));
    cap(entries);
  }
  Json& meta = (*after)["metadata"];
  if (!meta.is_object()) meta.emplace_object();
  if (entries.empty())
    meta.get_object().erase("managedFields");
  else
    meta.get_object()["managedFields"] = std::move(entries);
}

std::string_view field_manager_of(std::string_view user_agent) {
  const std::string_view name = user_agent.substr(0, user_agent.find('/')).substr(0, 128);
  return name.empty() ? "unknown" : name;
}

}  // namespace ingot::api
