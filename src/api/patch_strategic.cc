// Facts: apimachinery pkg/util/strategicpatch (directives, what they mean together, the order of merged lists).
#include <algorithm>
#include <unordered_map>

#include "api/json_edit.h"
#include "api/patch.h"

namespace ingot::api {
namespace {

constexpr std::string_view kPatch = "$patch", kRetain = "$retainKeys";
constexpr std::string_view kDelete = "$deleteFromPrimitiveList/", kOrder = "$setElementOrder/";

std::string_view view(const boost::json::string_view& s) { return {s.data(), s.size()}; }
bool is_directive(std::string_view key) {
  return key == kPatch || key == kRetain || key.starts_with(kDelete) || key.starts_with(kOrder);
}

std::unexpected<Error> bad_patch(std::string why) {
  return fail(Reason::BadRequest, "the strategic merge patch is not valid: " + std::move(why));
}

// Where each value of a list stands, by merge key (or by the value itself when there is none).
class Places {
 public:
  Places(const JsonArray& list, std::string_view key) : key_(key) {
    for (size_t i = 0; i < list.size(); ++i)
      if (const Json* id = identity(list[i])) places_.emplace(to_text(*id), i);
  }
  std::optional<size_t> find(const Json& item) const {
    const Json* id = identity(item);
    auto found = id ? places_.find(to_text(*id)) : places_.end();
    return found == places_.end() ? std::nullopt : std::optional(found->second);
  }
  void add(const Json& item, size_t place) { places_.emplace(to_text(*identity(item)), place); }

 private:
  const Json* identity(const Json& item) const { return key_.empty() ? &item : api::find(item, {key_}); }
  std::string_view key_;
  std::unordered_map<std::string, size_t> places_;  // looked up only
};

// A value that had no counterpart: nulls and directives in it have nothing to act on. False: it is one itself.
bool strip(Json& value) {
  if (JsonObject* object = value.if_object()) {
    if (object->contains(kPatch)) return false;
    erase_if(*object, [](std::string_view key, Json& below) {
      return below.is_null() || is_directive(key) || !strip(below);
    });
  } else if (JsonArray* array = value.if_array()) {
    array->erase(std::remove_if(array->begin(), array->end(), [](Json& item) { return !strip(item); }),
                 array->end());
  }
  return true;
}

// Items named by `order` in its order, the others in the order the server had; where two of both kinds stood in the
// server's list their order there decides, else the named one goes first.
JsonArray ordered(JsonArray merged, const JsonArray& order, const JsonArray& server, std::string_view key) {
  const Places in_order(order, key), in_server(server, key);
  struct Item {
    size_t from, rank;
    std::optional<size_t> was;
  };
  std::vector<Item> named, others;
  for (size_t i = 0; i < merged.size(); ++i) {
    const std::optional<size_t> place = in_order.find(merged[i]), was = in_server.find(merged[i]);
    if (place)
      named.push_back({i, *place, was});
    else
      others.push_back({i, was.value_or(merged.size() + i), was});
  }
  auto rank = [](const Item& i) { return std::pair(i.rank, i.from); };
  std::ranges::sort(named, {}, rank);
  std::ranges::sort(others, {}, rank);
  JsonArray out;
  out.reserve(merged.size());
  size_t n = 0, o = 0;
  while (n < named.size() || o < others.size()) {
    const bool other = n == named.size() ||
                       (o < others.size() && others[o].was && named[n].was && *others[o].was < *named[n].was);
    out.push_back(std::move(merged[other ? others[o++].from : named[n++].from]));
  }
  return out;
}

class Merger {
 public:
  Result<void> object(const Schema* schema, JsonObject& target, JsonObject patch) {
    if (const Json* directive = patch.if_contains(kPatch))
      return replace(target, std::move(patch), Json(*directive));
    if (Result<void> done = retain(target, patch); !done) return done;
    if (Result<void> done = lists_with_order(schema, target, patch); !done) return done;
    for (auto& member : patch) {
      const std::string_view key = view(member.key());
      if (!key.starts_with(kDelete)) continue;
      if (Result<void> done = delete_scalars(target, key.substr(kDelete.size()), member.value()); !done)
        return done;
    }
    for (auto& member : patch) {
      if (is_directive(view(member.key()))) continue;
      if (Result<void> done = field(schema, target, view(member.key()), std::move(member.value())); !done)
        return done;
    }
    return {};
  }

 private:
  static Result<void> replace(JsonObject& target, JsonObject patch, const Json& directive) {
    if (directive != "replace" && directive != "delete")
      return fail(Reason::Invalid,
                  "Unknown patch type '" + to_text(directive) + "' in the strategic merge patch");
    patch.erase(kPatch);
    Json value = directive == "replace" ? std::move(patch) : JsonObject();
    strip(value);
    target = std::move(value.get_object());
    return {};
  }

  static Result<void> retain(JsonObject& target, JsonObject& patch) {
    const Json* directive = patch.if_contains(kRetain);
    if (!directive) return {};
    const JsonArray* keys = directive->if_array();
    if (!keys) return bad_patch("invalid patch format of retainKeys");
    const Places listed(*keys, {});
    for (const auto& member : patch)
      if (!member.value().is_null() && !is_directive(view(member.key())) && !listed.find(Json(member.key())))
        return bad_patch("invalid patch format of retainKeys: \"" + std::string(view(member.key())) +
                         "\" is not listed");
    erase_if(target, [&](std::string_view key, Json&) {
      return !listed.find(Json(boost::json::string_view(key.data(), key.size())));
    });
    return {};
  }

  static Result<void> delete_scalars(JsonObject& target, std::string_view name, const Json& values) {
    if (!values.is_array()) return bad_patch("invalid patch format of primitive list");
    Json* list = target.if_contains(name);
    if (!list || !list->is_array()) return {};
    const Places doomed(values.get_array(), {});
    JsonArray& items = list->get_array();
    items.erase(std::remove_if(items.begin(), items.end(),
                               [&](const Json& item) { return doomed.find(item).has_value(); }),
                items.end());
    return {};
  }

  // "$setElementOrder/x" and "x" together; leaves neither in `patch`.
  Result<void> lists_with_order(const Schema* schema, JsonObject& target, JsonObject& patch) {
    std::vector<std::string> directives;
    for (const auto& member : patch)
      if (view(member.key()).starts_with(kOrder)) directives.emplace_back(member.key());
    for (const std::string& directive : directives) {
      const std::string name = directive.substr(kOrder.size());
      const Json order = patch[directive];
      Json* given = patch.if_contains(name);
      Json* own = target.if_contains(name);
      if (!order.is_array()) return bad_patch("invalid patch format of setElementOrder list");
      if (given && given->is_null()) continue;  // the whole list goes
      if ((given && !given->is_array()) || (own && !own->is_array() && !own->is_null()))
        return bad_patch("invalid patch format of setElementOrder list");
      const Field* field = schema ? schema->find(name) : nullptr;
      const std::string_view key = field ? std::string_view(field->patch_merge_key) : std::string_view();
      if (Result<void> done = same_order(given, order.get_array(), key); !done) return done;
      if (given) {
        JsonArray merged = own && own->is_array() ? own->get_array() : JsonArray();
        const JsonArray server = merged;
        if (Result<void> done = list(field, merged, std::move(given->get_array())); !done) return done;
        target[name] = ordered(std::move(merged), order.get_array(), server, key);
        patch.erase(name);
      } else if (own && own->is_array()) {
        const JsonArray server = own->get_array();
        *own = ordered(server, order.get_array(), server, key);
      }
    }
    return {};
  }

  // The patch's own items must come in the order the directive states.
  static Result<void> same_order(const Json* given, const JsonArray& order, std::string_view key) {
    if (!given || order.empty()) return {};
    const Places places(order, key);
    size_t least = 0;
    for (const Json& item : given->get_array()) {
      if (item.is_object() && item.get_object().contains(kPatch)) continue;
      const std::optional<size_t> place = places.find(item);
      if (!place || *place < least)
        return bad_patch("the order in the patch list doesn't match the $setElementOrder list");
      least = *place;
    }
    return {};
  }

  Result<void> field(const Schema* schema, JsonObject& target, std::string_view name, Json value) {
    Json* own = target.if_contains(name);
    if (value.is_null()) {
      if (own) target.erase(name);
      return {};
    }
    const Field* field = schema ? schema->find(name) : nullptr;
    const bool both_objects = own && own->is_object() && value.is_object();
    const bool both_lists = own && own->is_array() && value.is_array();
    const bool merges = field && field->patch_strategy.find("merge") != std::string::npos;
    if (both_objects && !(field && field->patch_strategy == "replace")) {
      if (field && field->wrap == Wrap::Map)
        return map(*field, own->get_object(), std::move(value.get_object()));
      return object(field ? field->schema : nullptr, own->get_object(), std::move(value.get_object()));
    }
    if (both_lists && merges) {
      JsonArray merged = own->get_array();
      const JsonArray server = merged, order = value.get_array();
      if (Result<void> done = list(field, merged, std::move(value.get_array())); !done) return done;
      *own = ordered(std::move(merged), without_directives(order), server, field->patch_merge_key);
      return {};
    }
    if (strip(value))
      target[name] = std::move(value);
    else if (own)
      target.erase(name);
    return {};
  }

  Result<void> map(const Field& field, JsonObject& target, JsonObject patch) {
    if (!field.schema || patch.contains(kPatch)) return object(nullptr, target, std::move(patch));
    for (auto& member : patch) {
      Json* own = target.if_contains(member.key());
      if (own && own->is_object() && member.value().is_object()) {
        Result<void> done = object(field.schema, own->get_object(), std::move(member.value().get_object()));
        if (!done) return done;
      } else if (member.value().is_null()) {
        if (own) target.erase(member.key());
      } else if (strip(member.value())) {
        target[member.key()] = std::move(member.value());
      }
    }
    return {};
  }

  static JsonArray without_directives(const JsonArray& list) {
    JsonArray out;
    for (const Json& item : list)
      if (!item.is_object() || !item.get_object().contains(kPatch)) out.push_back(item);
    return out;
  }

  Result<void> list(const Field* field, JsonArray& target, JsonArray patch) {
    if (!field || field->patch_strategy.find("merge") == std::string::npos) {
      Json value = std::move(patch);
      strip(value);
      target = std::move(value.get_array());
      return {};
    }
    return field->shape == Shape::Object ? merge_objects(*field, target, std::move(patch))
                                         : merge_scalars(target, std::move(patch));
  }

  static Result<void> merge_scalars(JsonArray& target, JsonArray patch) {
    Places known(target, {});
    for (Json& item : patch) {
      if (item.is_structured()) return bad_patch("lists of scalars and of objects cannot be merged");
      if (known.find(item)) continue;
      known.add(item, target.size());
      target.push_back(std::move(item));
    }
    return {};
  }

  Result<void> merge_objects(const Field& field, JsonArray& target, JsonArray patch) {
    const std::string& key = field.patch_merge_key;
    if (key.empty()) return fail(Reason::Invalid, "cannot merge lists without merge key for " + field.name);
    JsonArray doomed, rest;
    bool replace = false;
    for (Json& item : patch) {
      if (!item.is_object()) return bad_patch("the list \"" + field.name + "\" holds objects");
      const Json* directive = item.get_object().if_contains(kPatch);
      if (!directive)
        rest.push_back(std::move(item));
      else if (*directive == "replace")
        replace = true;
      else if (*directive != "delete")
        return fail(Reason::Invalid,
                    "Unknown patch type '" + to_text(*directive) + "' in the list \"" + field.name + "\"");
      else if (!item.get_object().contains(key))
        return no_key(field);
      else
        doomed.push_back(std::move(item));
    }
    if (replace) {
      Json value = std::move(rest);
      strip(value);
      target = std::move(value.get_array());
      return {};
    }
    const Places deleted(doomed, key);
    target.erase(std::remove_if(target.begin(), target.end(),
                                [&](const Json& item) { return deleted.find(item).has_value(); }),
                 target.end());
    Places known(target, key);
    for (Json& item : rest) {
      if (!item.get_object().contains(key)) return no_key(field);
      if (const std::optional<size_t> place = known.find(item); place && target[*place].is_object()) {
        Result<void> done = object(field.schema, target[*place].get_object(), std::move(item.get_object()));
        if (!done) return done;
      } else {
        known.add(item, target.size());
        strip(item);
        target.push_back(std::move(item));
      }
    }
    return {};
  }

  static std::unexpected<Error> no_key(const Field& field) {
    return fail(Reason::Invalid, "map: map[] does not contain declared merge key: " + field.patch_merge_key +
                                     " (in the list \"" + field.name + "\")");
  }
};

}  // namespace

Result<Json> strategic_merge_patch(const Schema& schema, const Json& object, const Json& patch) {
  if (!patch.is_object()) return bad_patch("it must be an object");
  Json result = object;
  if (!result.is_object()) result.emplace_object();
  if (Result<void> done = Merger().object(&schema, result.get_object(), patch.get_object()); !done)
    return fail(std::move(done.error()));
  return result;
}

}  // namespace ingot::api
