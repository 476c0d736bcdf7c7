#include "expr/template.h"

#include <algorithm>

#include "expr/filler.h"
#include "expr/go_text.h"

namespace ingot::expr {
namespace {

using Kind = FillError::Kind;

void add(std::vector<std::string>& names, std::string name) {
  if (!includes(names, name)) names.push_back(std::move(name));
}
std::unexpected<FillError> too_long(size_t bytes) {
  return std::unexpected(
      FillError{Kind::Failed, "", "what is filled is longer than " + std::to_string(bytes) + " bytes"});
}

}  // namespace

Maybe<Template> Template::compile(std::string_view text, bool unclosed_may_stay) {
  Template out;
  for (;;) {
    const size_t open = text.find("{{");
    if (open == text.npos) break;
    const size_t close = text.find("}}", open + 2);
    if (close == text.npos && unclosed_may_stay) break;
    if (close == text.npos) return wrong("a tag is not closed: " + std::string(text.substr(open, 40)));
    Tag tag{std::string(text.substr(0, open)), std::string(text.substr(open + 2, close - open - 2)), nullptr};
    if (tag.name.starts_with('=')) {
      auto program = Program::compile(std::string_view(tag.name).substr(1));
      if (!program) return wrong("{{" + tag.name + "}}: " + program.error());
      tag.program = std::make_shared<const Program>(*std::move(program));
    }
    out.tags_.push_back(std::move(tag));
    text.remove_prefix(close + 2);
  }
  out.after_ = text;
  return out;
}

std::string_view Template::inner(const Tag& tag) const {
  const size_t open = tag.name.rfind("{{");
  return trimmed(std::string_view(tag.name).substr(open == tag.name.npos || open == 0 ? 0 : open + 2));
}

std::vector<std::string> Template::tags() const {
  std::vector<std::string> out;
  for (const Tag& tag : tags_) add(out, tag.program ? tag.name : std::string(inner(tag)));
  return out;
}

std::vector<std::string> Template::all_names(std::vector<std::string> (Program::*of)() const) const {
  std::vector<std::string> out;
  for (const Tag& tag : tags_) {
    if (!tag.program) add(out, std::string(inner(tag)));
    if (tag.program)
      for (std::string& name : ((*tag.program).*of)()) add(out, std::move(name));
  }
  return out;
}
std::vector<std::string> Template::names() const { return all_names(&Program::names); }
std::vector<std::string> Template::required_names() const { return all_names(&Program::required); }

Filled<std::string> Template::fill(const Variables& variables, int64_t& steps,
                                   const FillOptions& options) const {
  const Filler filler(variables, steps, options);
  std::string out;
  for (const Tag& tag : tags_) {
    out += tag.before;
    auto value = tag.program ? filler.expression(tag.name, *tag.program) : filler.simple(tag.name);
    if (!value) return value;
    out += *value;
    if (out.size() > options.max_bytes) return too_long(options.max_bytes);
  }
  return out + after_;
}

namespace {

class JsonFiller {
 public:
  JsonFiller(const Variables& variables, int64_t& steps, const FillOptions& options)
      : variables_(variables), steps_(steps), options_(options) {}

  Filled<Json> fill(const Json& json) {
    if (const auto* list = json.if_array()) {
      JsonArray out;
      out.reserve(list->size());
      for (const Json& item : *list) {
        auto one = fill(item);
        if (!one) return one;
        out.push_back(*std::move(one));
      }
      return out;
    }
    if (const auto* map = json.if_object()) {
      JsonObject out;
      for (const auto& member : *map) {
        auto key = fill_text(member.key());
        if (!key) return std::unexpected(std::move(key.error()));
        auto value = fill(member.value());
        if (!value) return value;
        out.insert_or_assign(boost::json::string_view(key->data(), key->size()), *std::move(value));
      }
      return out;
    }
    if (!json.is_string()) return json;
    auto filled = fill_text(text_of(json));
    if (!filled) return std::unexpected(std::move(filled.error()));
    return text(*filled);
  }

 private:
  Filled<std::string> fill_text(std::string_view text) {
    if (!text.contains("{{")) return std::string(text);
    const auto compiled = Template::compile(text, options_.allow_unresolved);
    if (!compiled) return std::unexpected(FillError{Kind::Failed, "", compiled.error()});
    auto filled = compiled->fill(variables_, steps_, options_);
    if (filled && (bytes_ += filled->size()) > options_.max_bytes) return too_long(options_.max_bytes);
    return filled;
  }

  const Variables& variables_;
  int64_t& steps_;
  const FillOptions& options_;
  size_t bytes_ = 0;
};

}  // namespace

Filled<void> fill_json(Json& json, const Variables& variables, int64_t& steps, const FillOptions& options) {
  auto filled = JsonFiller(variables, steps, options).fill(json);
  if (!filled) return std::unexpected(std::move(filled.error()));
  json = *std::move(filled);
  return {};
}

}  // namespace ingot::expr
