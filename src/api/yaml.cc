#include <yaml-cpp/eventhandler.h>
#include <yaml-cpp/exceptions.h>
#include <yaml-cpp/parser.h>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <map>
#include <sstream>

#include "api/parse.h"

namespace ingot::api {
namespace {

constexpr size_t kMaxDepth = 64, kMaxNodes = 200'000, kMaxText = 3u << 20, kMaxDuplicates = 100;

// What stops the parser; never leaves this file.
struct Refused {
  std::string why;
};

bool one_of(std::string_view text, std::initializer_list<std::string_view> words) {
  return std::ranges::find(words, text) != words.end();
}

std::optional<Json> integer(std::string_view text) {
  const bool negative = text.starts_with('-');
  std::string digits;
  std::ranges::copy_if(text.substr(text.starts_with('-') || text.starts_with('+')),
                       std::back_inserter(digits), [](char c) { return c != '_'; });
  int base = 10;
  size_t skip = 0;
  if (digits.starts_with("0x"))
    base = 16, skip = 2;
  else if (digits.starts_with("0b"))
    base = 2, skip = 2;
  else if (digits.starts_with("0o"))
    base = 8, skip = 2;
  else if (digits.size() > 1 && digits[0] == '0')
    base = 8, skip = 1;
  if (digits.size() == skip || !std::isalnum(static_cast<unsigned char>(digits[skip]))) return std::nullopt;
  uint64_t value = 0;
  auto [end, error] = std::from_chars(digits.data() + skip, digits.data() + digits.size(), value, base);
  if (error != std::errc() || end != digits.data() + digits.size()) return std::nullopt;
  if (!negative) return value <= uint64_t(INT64_MAX) ? Json(int64_t(value)) : Json(value);
  if (value > uint64_t(INT64_MAX)) return std::nullopt;
  return Json(-int64_t(value));
}

// A plain scalar as YAML 1.1 reads it; quoted ones are strings before this.
Json resolve(const std::string& text) {
  if (text.empty() || one_of(text, {"~", "null", "Null", "NULL"})) return nullptr;
  if (one_of(text, {"true", "True", "TRUE", "yes", "Yes", "YES", "on", "On", "ON"})) return true;
  if (one_of(text, {"false", "False", "FALSE", "no", "No", "NO", "off", "Off", "OFF"})) return false;
  const char first = text[0];
  if (!std::isdigit(static_cast<unsigned char>(first)) && !one_of(text.substr(0, 1), {"-", "+", "."}))
    return Json(text);
  if (std::optional<Json> i = integer(text)) return *i;
  std::string_view lower = text;
  if (one_of(lower.substr(first == '-' || first == '+'), {".inf", ".Inf", ".INF", ".nan", ".NaN", ".NAN"}))
    throw Refused{"the number " + text + " has no JSON form"};
  const bool number_like = std::ranges::all_of(text, [](char c) {
    return std::isdigit(static_cast<unsigned char>(c)) || c == '.' || c == 'e' || c == 'E' || c == '-' ||
           c == '+';
  });
  double value = 0;
  std::string_view digits = std::string_view(text).substr(first == '+');
  auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), value);
  if (!number_like || end != digits.data() + digits.size()) return Json(text);
  if (error != std::errc() || !std::isfinite(value)) throw Refused{"the number " + text + " is out of range"};
  return value;
}

// YAML's own character set has no control characters but these; a NUL makes yaml-cpp guess another encoding.
bool is_printable(std::string_view text) {
  return std::ranges::none_of(
      text, [](unsigned char c) { return (c < 0x20 && c != '\t' && c != '\n' && c != '\r') || c == 0x7f; });
}

class Builder : public YAML::EventHandler {
 public:
  Parsed take() { return std::move(out_); }

  void OnDocumentStart(const YAML::Mark&) override {}
  void OnDocumentEnd() override {}
  void OnNull(const YAML::Mark&, YAML::anchor_t anchor) override { put(nullptr, anchor, 0); }
  void OnAlias(const YAML::Mark&, YAML::anchor_t anchor) override {
    auto found = anchors_.find(anchor);
    if (found == anchors_.end()) throw Refused{"a YAML alias refers to an anchor that is not complete"};
    charge(found->second.nodes, found->second.text);
    nodes_below(found->second.nodes, found->second.text);
    place(found->second.value);
  }
  void OnScalar(const YAML::Mark&, const std::string& tag, YAML::anchor_t anchor,
                const std::string& text) override {
    if (!is_utf8(text)) throw Refused{"a scalar is not UTF-8"};
    if (tag == "?")
      put(resolve(text), anchor, text.size(), &text);
    else if (tag == "!" || tag == "tag:yaml.org,2002:str" || tag == "tag:yaml.org,2002:binary" || tag.empty())
      put(Json(text), anchor, text.size());
    else
      put(tag.starts_with("tag:yaml.org,2002:") ? resolve(text)
                                                : throw Refused{"the YAML tag " + tag + " is not supported"},
          anchor, text.size());
  }
  void OnSequenceStart(const YAML::Mark&, const std::string&, YAML::anchor_t anchor,
                       YAML::EmitterStyle::value) override {
    open(JsonArray(), anchor);
  }
  void OnSequenceEnd() override { close(); }
  void OnMapStart(const YAML::Mark&, const std::string&, YAML::anchor_t anchor,
                  YAML::EmitterStyle::value) override {
    open(JsonObject(), anchor);
  }
  void OnMapEnd() override { close(); }

 private:
  struct Level {
    Json value;
    YAML::anchor_t anchor;
    std::optional<std::string> key;  // set between a key and its value
    size_t nodes = 1, text = 0;
  };
  struct Anchor {
    Json value;
    size_t nodes, text;
  };

  void charge(size_t nodes, size_t text) {
    nodes_ += nodes;
    text_ += text;
    if (nodes_ > kMaxNodes || text_ > kMaxText)
      throw Refused{"the YAML document is too large once aliases are expanded"};
  }
  void nodes_below(size_t nodes, size_t text) {
    if (levels_.empty()) return;
    levels_.back().nodes += nodes;
    levels_.back().text += text;
  }
  // `plain`: the scalar's text, should it be a key.
  void put(Json value, YAML::anchor_t anchor, size_t text, const std::string* plain = nullptr) {
    charge(1, text);
    nodes_below(1, text);
    if (anchor) anchors_[anchor] = {value, 1, text};
    if (is_key())
      return key(plain               ? *plain
                 : value.is_string() ? std::string(value.get_string().c_str(), value.get_string().size())
                                     : "null");
    place(std::move(value));
  }
  void open(Json value, YAML::anchor_t anchor) {
    if (is_key()) throw Refused{"a YAML mapping key must be a scalar"};
    if (levels_.size() >= kMaxDepth) throw Refused{"the YAML document is nested too deeply"};
    charge(1, 0);
    levels_.push_back({.value = std::move(value), .anchor = anchor});
  }
  void close() {
    Level done = std::move(levels_.back());
    levels_.pop_back();
    nodes_below(done.nodes, done.text);
    if (done.anchor) anchors_[done.anchor] = {done.value, done.nodes, done.text};
    place(std::move(done.value));
  }
  bool is_key() const { return !levels_.empty() && levels_.back().value.is_object() && !levels_.back().key; }
  void key(std::string text) {
    if (levels_.back().value.get_object().contains(text) && out_.duplicates.size() < kMaxDuplicates)
      out_.duplicates.push_back(path() + text);
    levels_.back().key = std::move(text);
  }
  void place(Json value) {
    if (levels_.empty()) {
      out_.value = std::move(value);
      return;
    }
    Level& level = levels_.back();
    if (JsonArray* array = level.value.if_array()) {
      array->push_back(std::move(value));
      return;
    }
    if (!level.key) {  // an alias as a key
      if (!value.is_string()) throw Refused{"a YAML mapping key must be a scalar"};
      return key(std::string(value.get_string().c_str(), value.get_string().size()));
    }
    level.value.get_object()[*level.key] = std::move(value);
    level.key.reset();
  }
  std::string path() const {
    std::string text;
    for (const Level& level : levels_) {
      if (level.key)
        (text.empty() ? text : text += '.') += *level.key;
      else if (const JsonArray* array = level.value.if_array())
        text += "[" + std::to_string(array->size()) + "]";
    }
    return text.empty() ? text : text + ".";
  }

  Parsed out_;
  std::vector<Level> levels_;
  std::map<YAML::anchor_t, Anchor> anchors_;
  size_t nodes_ = 0, text_ = 0;
};

// yaml-cpp recurses per level of flow nesting before it reports it: bound what it is given.
bool too_deep(std::string_view text) {
  size_t depth = 0;
  for (char c : text) {
    if (c == '[' || c == '{') ++depth;
    if ((c == ']' || c == '}') && depth > 0) --depth;
    if (depth > 4 * kMaxDepth) return true;
  }
  return false;
}

}  // namespace

Result<Parsed> parse_body_yaml(std::string_view text) {
  auto refuse = [](const std::string& why) {
    return fail(Reason::BadRequest, "the body is not valid YAML: " + why);
  };
  if (text.size() > kMaxText) return refuse("it is larger than 3 MiB");
  if (!is_utf8(text)) return refuse("it is not UTF-8");
  if (!is_printable(text)) return refuse("it holds control characters");
  if (too_deep(text)) return refuse("it is nested too deeply");
  try {
    std::istringstream stream{std::string(text)};
    YAML::Parser parser(stream);
    Builder builder;
    if (!parser.HandleNextDocument(builder)) return refuse("it is empty");
    Builder rest;
    if (parser.HandleNextDocument(rest)) return refuse("it holds more than one document");
    return builder.take();
  } catch (const Refused& refused) {
    return refuse(refused.why);
  } catch (const YAML::Exception& error) {
    return refuse(error.what());
  }
}

}  // namespace ingot::api
