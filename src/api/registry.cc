#include "api/registry.h"

#include <algorithm>
#include <charconv>
#include <set>
#include <tuple>

#include "api/facts.h"
#include "base/assert.h"

namespace ingot::api {
namespace {

std::vector<std::string_view> split(std::string_view text, char at) {
  std::vector<std::string_view> parts;
  while (!text.empty()) {
    const size_t end = std::min(text.find(at), text.size());
    if (end > 0) parts.push_back(text.substr(0, end));
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  return parts;
}

std::vector<std::string> strings(std::string_view text, char at) {
  std::vector<std::string> out;
  for (std::string_view part : split(text, at)) out.emplace_back(part);
  return out;
}

// "meta.v1.ObjectMeta" → "io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta".
std::string full_name(std::string_view alias) {
  if (alias.starts_with("meta.")) return "io.k8s.apimachinery.pkg.apis." + std::string(alias);
  if (alias.starts_with("factory.")) return "dev.ingot." + std::string(alias);
  if (alias.starts_with("argo.")) return "io.argoproj.workflow." + std::string(alias.substr(5));
  if (alias.starts_with("x-k8s.")) return "io." + std::string(alias);
  return "io.k8s.api." + std::string(alias);
}

std::string lower(std::string_view text) {
  std::string out(text);
  for (char& c : out) c = char(std::tolower(static_cast<unsigned char>(c)));
  return out;
}

constexpr std::pair<std::string_view, Shape> kShapes[] = {
    {"string", Shape::String}, {"bool", Shape::Bool},           {"int32", Shape::Int32},
    {"int64", Shape::Int64},   {"number", Shape::Number},       {"quantity", Shape::Quantity},
    {"time", Shape::Time},     {"microtime", Shape::MicroTime}, {"bytes", Shape::Bytes},
    {"any", Shape::Any},       {"strings", Shape::Strings},     {"intorstring", Shape::IntOrString},
};

// "list=map(name)" → {"list", "map(name)"}; a bare word has no value.
std::pair<std::string_view, std::string_view> option(std::string_view word) {
  const size_t at = word.find('=');
  return at == word.npos ? std::pair{word, std::string_view{}}
                         : std::pair{word.substr(0, at), word.substr(at + 1)};
}

}  // namespace

// Reads the tables line by line; every surprise is a mistake in a committed file.
class RegistryReader {
 public:
  explicit RegistryReader(Registry& registry) : registry_(registry) {}

  void read(std::string_view text) {
    Schema* schema = nullptr;
    for (std::string_view line : split(text, '\n')) {
      if (line.starts_with('#')) continue;
      std::vector<std::string_view> words = split(line, ' ');
      ASSERT(words.size() >= 2);
      if (line.starts_with("  ")) {
        ASSERT(schema);
        schema->fields.push_back(field(words));
      } else if (words[0] == "schema") {
        schema = &at(words[1]);
        ASSERT(schema->fields.empty());
        schema->atomic = words.size() > 2 && words[2] == "atomic";
      } else if (words[0] == "resource") {
        registry_.resources_.push_back(resource(words));
      } else {
        ASSERT(words[0] == "column");
        column(words);
      }
    }
  }

  void finish() {
    auto order = [](const Resource& r) { return std::tie(r.group, r.version, r.plural); };
    std::ranges::sort(registry_.resources_, {}, order);
    for (auto& [name, schema] : registry_.schemas_) {
      ASSERT(std::ranges::is_sorted(schema->fields, {}, &Field::name));
      std::set<const Schema*> seen;
      schema->has_defaults = below(*schema, seen, [](const Field& f) { return f.default_value.has_value(); });
      seen.clear();
      schema->has_rules =
          below(*schema, seen, [](const Field& f) { return f.required || !f.enum_values.empty(); });
    }
  }

 private:
  Schema& at(std::string_view alias) {
    std::string name = full_name(alias);
    std::unique_ptr<Schema>& slot = registry_.schemas_[name];
    if (!slot) {
      slot = std::make_unique<Schema>();
      slot->name = std::move(name);
    }
    return *slot;
  }

  Field field(const std::vector<std::string_view>& words) {
    Field out;
    out.name = words[0];
    std::string_view shape = words[1];
    if (shape.starts_with("[]")) out.wrap = Wrap::List;
    if (shape.starts_with("{}")) out.wrap = Wrap::Map;
    if (out.wrap != Wrap::One) shape.remove_prefix(2);
    const auto* scalar = std::ranges::find(kShapes, shape, &std::pair<std::string_view, Shape>::first);
    if (scalar != std::end(kShapes)) {
      out.shape = scalar->second;
    } else {
      out.shape = Shape::Object;
      out.schema = &at(shape);
    }
    for (size_t i = 2; i < words.size(); ++i) field_option(out, words[i]);
    return out;
  }

  void field_option(Field& out, std::string_view word) {
    auto [name, value] = option(word);
    if (name.starts_with('#')) {
      const char* end = name.data() + name.size();
      const auto first = std::from_chars(name.data() + 1, end, out.tag);
      if (first.ptr != end) {
        out.within = out.tag;
        std::from_chars(first.ptr + 1, end, out.tag);
      }
    } else if (name == "pointer") {
      out.pointer = true;
    } else if (name == "required") {
      out.required = true;
    } else if (name == "atomic") {
      out.atomic = true;
    } else if (name == "key") {
      out.patch_merge_key = value;
    } else if (name == "patch") {
      out.patch_strategy = value;
    } else if (name == "enum") {
      out.enum_values = strings(value, '|');
    } else if (name == "list") {
      const size_t open = std::min(value.find('('), value.size());
      out.list_type = value.substr(0, open);
      if (open < value.size())
        out.list_map_keys = strings(value.substr(open + 1, value.size() - open - 2), ',');
    } else {
      ASSERT(name == "default");
      Result<Json> parsed = parse_json(value);
      ASSERT(parsed.has_value());
      out.default_value = std::move(*parsed);
    }
  }

  Resource resource(const std::vector<std::string_view>& words) {
    ASSERT(words.size() >= 6);
    Resource out;
    out.group = words[1] == "core" ? "" : words[1];
    out.version = words[2];
    out.kind = words[3];
    out.plural = words[4];
    out.singular = lower(out.kind);
    for (size_t i = 5; i < words.size(); ++i) {
      auto [name, value] = option(words[i]);
      if (name == "schema")
        out.schema = &at(value);
      else if (name == "namespaced")
        out.namespaced = true;
      else if (name == "root")
        out.root_only = true;
      else if (name == "verbs")
        out.verbs = strings(value, ',');
      else if (name == "short")
        out.short_names = strings(value, ',');
      else if (name == "sub")
        out.subresources = strings(value, ',');
      else if (name == "categories")
        out.categories = strings(value, ',');
      else
        ASSERT(!"a word of a resource line");
    }
    return out;
  }

  void column(const std::vector<std::string_view>& words) {
    ASSERT(words.size() >= 6);
    const std::string_view group = words[1] == "core" ? std::string_view{} : words[1];
    for (Resource& r : registry_.resources_) {
      if (r.group != group || r.kind != words[2]) continue;
      Column out{.name = std::string(words[3]), .type = std::string(words[4]), .path = std::string(words[5])};
      std::ranges::replace(out.name, '_', ' ');
      for (size_t i = 6; i < words.size(); ++i) {
        auto [name, value] = option(words[i]);
        if (name == "wide") out.priority = 1;
        if (name == "format") out.format = value;
      }
      r.columns.push_back(std::move(out));
    }
  }

  template <class Test>
  static bool below(const Schema& schema, std::set<const Schema*>& seen, const Test& test) {
    if (!seen.insert(&schema).second) return false;
    return std::ranges::any_of(
        schema.fields, [&](const Field& f) { return test(f) || (f.schema && below(*f.schema, seen, test)); });
  }

  Registry& registry_;
};

const Field* Schema::find(std::string_view name) const {
  auto at =
      std::ranges::lower_bound(fields, name, {}, [](const Field& f) { return std::string_view(f.name); });
  return at != fields.end() && at->name == name ? &*at : nullptr;
}

std::string Resource::resource() const { return group.empty() ? plural : plural + "." + group; }
std::string Resource::api_version() const { return group.empty() ? version : group + "/" + version; }

std::shared_ptr<const Registry> Registry::builtin() {
  auto registry = std::make_shared<Registry>();
  RegistryReader reader(*registry);
  reader.read(kubernetes_facts());
  reader.read(factory_facts());
  reader.read(argo_facts());
  reader.read(column_facts());
  reader.finish();
  return registry;
}

const Resource* Registry::find(std::string_view group, std::string_view version,
                               std::string_view plural) const {
  auto order = [](const Resource& r) {
    return std::tuple<std::string_view, std::string_view, std::string_view>(r.group, r.version, r.plural);
  };
  auto at = std::ranges::lower_bound(resources_, std::tuple(group, version, plural), {}, order);
  return at != resources_.end() && order(*at) == std::tuple(group, version, plural) ? &*at : nullptr;
}

const Resource* Registry::find_kind(std::string_view group, std::string_view version,
                                    std::string_view kind) const {
  auto at = std::ranges::find_if(resources_, [&](const Resource& r) {
    return r.kind == kind && r.group == group && r.version == version;
  });
  return at == resources_.end() ? nullptr : &*at;
}

const Resource* Registry::find_key(std::string_view resource) const {
  const size_t dot = resource.find('.');
  const std::string_view plural = resource.substr(0, dot);
  const std::string_view group = dot == resource.npos ? std::string_view{} : resource.substr(dot + 1);
  auto at = std::ranges::find_if(resources_,
                                 [&](const Resource& r) { return r.plural == plural && r.group == group; });
  return at == resources_.end() ? nullptr : &*at;
}

const Schema* Registry::schema(std::string_view name) const {
  auto at = schemas_.find(name);
  return at == schemas_.end() ? nullptr : at->second.get();
}

}  // namespace ingot::api
