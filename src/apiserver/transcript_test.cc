// Plays tests/transcripts/*.txt against a control plane of its own each. The form of a transcript is described in
// tests/transcripts/README.md.
#include <gtest/gtest.h>

#include <algorithm>
#include <fstream>
#include <map>
#include <sstream>

#include "apiserver/testing.h"

namespace ingot::apiserver {
namespace {
using api::Json;

struct Exchanged {
  int line = 0;
  std::string user, method, target, content_type = "application/json", body;
  int code = 0;
  std::string subset;  // JSON the answer must contain
  std::vector<std::string> contains, lacks, warnings;
  std::vector<std::pair<std::string, std::string>> saves;  // variable, path
  std::string directive;                                   // "! bind …" instead of a request
};

std::vector<std::string> words(const std::string& text) {
  std::istringstream in(text);
  std::vector<std::string> out;
  for (std::string word; in >> word;) out.push_back(word);
  return out;
}

// Every member of `wanted` is in `got`; "*" stands for any non-empty text; lists have the same length.
bool contains(const Json& got, const Json& wanted) {
  if (wanted.is_string() && wanted.get_string() == "*") return got.is_string() && !got.get_string().empty();
  if (wanted.is_object())
    return got.is_object() && std::ranges::all_of(wanted.get_object(), [&](const auto& entry) {
             const Json* at = got.get_object().if_contains(entry.key());
             return at ? contains(*at, entry.value()) : entry.value().is_null();
           });
  if (!wanted.is_array()) return got == wanted;
  return got.is_array() && got.get_array().size() == wanted.get_array().size() &&
         std::ranges::equal(got.get_array(), wanted.get_array(), contains);
}

Json at_path(const Json& value, std::string path) {
  std::ranges::replace(path, '.', ' ');
  const Json* at = &value;
  for (const std::string& step : words(path)) {
    if (at->is_array()) {
      const size_t index = std::stoul(step);
      if (index >= at->get_array().size()) return {};
      at = &at->get_array()[index];
      continue;
    }
    at = at->is_object() ? at->get_object().if_contains(step) : nullptr;
    if (!at) return {};
  }
  return *at;
}

std::vector<Exchanged> read_transcript(const std::filesystem::path& file) {
  std::ifstream in(file);
  std::vector<Exchanged> out;
  int number = 0;
  for (std::string line; std::getline(in, line);) {
    ++number;
    if (line.empty() || line[0] == '#') continue;
    if (line[0] == '!') {
      out.push_back({.line = number, .directive = line.substr(2)});
    } else if (line.starts_with("< ")) {
      Exchanged& last = out.back();
      const std::string rest = line.substr(2);
      if (std::isdigit(rest[0]))
        last.code = std::stoi(rest);
      else if (rest[0] == '{')
        last.subset += rest;
      else if (rest.starts_with("~ "))
        last.contains.push_back(rest.substr(2));
      else if (rest.starts_with("!~ "))
        last.lacks.push_back(rest.substr(3));
      else if (rest.starts_with("warning "))
        last.warnings.push_back(rest.substr(8));
      else if (rest.starts_with("save "))
        last.saves.emplace_back(words(rest).at(1), words(rest).at(2));
      else
        ADD_FAILURE() << file << ":" << number << ": what is \"" << line << "\"?";
    } else if (const size_t arrow = line.find("> ");
               arrow != line.npos && line[0] != '{' && line[0] != ' ' && line.find(' ') == arrow + 1) {
      const std::vector<std::string> parts = words(line.substr(arrow + 2));
      Exchanged next{
          .line = number, .user = line.substr(0, arrow), .method = parts.at(0), .target = parts.at(1)};
      if (parts.size() > 2) next.content_type = parts[2];
      out.push_back(std::move(next));
    } else {
      out.back().body += line + "\n";
    }
  }
  return out;
}

class Player {
 public:
  explicit Player(std::string file) : file_(std::move(file)) {}

  void play(Exchanged step) {
    SCOPED_TRACE(file_ + ":" + std::to_string(step.line));
    if (!step.directive.empty()) return obey(words(expand(step.directive)));
    Request request{.method = step.method,
                    .target = expand(step.target),
                    .content_type = step.content_type,
                    .body = expand(step.body)};
    if (request.body.starts_with("@zeros "))
      request.body = std::string(std::stoul(request.body.substr(7)), '0');
    identify(step.user, request);
    const Response got = plane_.send(std::move(request))->response;
    EXPECT_EQ(got.code, step.code) << got.body.substr(0, 2000);
    const Json json = got.json();
    if (!step.subset.empty()) {
      const auto wanted = api::parse_json(expand(step.subset));
      ASSERT_TRUE(wanted) << "the expectation is not JSON: " << step.subset;
      EXPECT_TRUE(contains(json, *wanted))
          << "wanted " << step.subset << "\ngot    " << got.body.substr(0, 4000);
    }
    for (const std::string& text : step.contains)
      EXPECT_NE(got.body.find(expand(text)), std::string::npos) << "wanted " << text << "\nin " << got.body;
    for (const std::string& text : step.lacks)
      EXPECT_EQ(got.body.find(expand(text)), std::string::npos)
          << "not wanted " << text << "\nin " << got.body;
    for (const std::string& text : step.warnings)
      EXPECT_TRUE(std::ranges::any_of(got.warnings(), [&](const auto& w) { return w.find(text) != w.npos; }))
          << "no warning says: " << text;
    for (const auto& [name, path] : step.saves) {
      const Json value = at_path(json, path);
      variables_[name] = value.is_string() ? std::string(value.get_string()) : api::to_text(value);
    }
  }

 private:
  std::string expand(std::string text) const {
    for (const auto& [name, value] : variables_)
      for (size_t at; (at = text.find("${" + name + "}")) != text.npos;)
        text.replace(at, name.size() + 3, value);
    return text;
  }

  const Identity& tenant(const std::string& name) {
    auto it = tenants_.find(name);
    if (it == tenants_.end()) it = tenants_.emplace(name, plane_.tenant(name)).first;
    return it->second;
  }

  // "operator", "node:n1", "token:VARIABLE", "anonymous", "TENANT" (its administrator), "TENANT:USER" (no rights of
  // his own).
  void identify(const std::string& user, Request& request) {
    const size_t colon = user.find(':');
    if (user == "anonymous") return;
    if (user == "operator") {
      request.identity = TestControlPlane::operator_identity();
    } else if (user.starts_with("node:")) {
      request.identity = TestControlPlane::node_identity(user.substr(5));
    } else if (user.starts_with("token:")) {
      request.authorization = "Bearer " + variables_[user.substr(6)];
    } else if (colon != user.npos) {
      request.certificate = {user.substr(colon + 1), {}, tenant(user.substr(0, colon)).home.value};
    } else {
      const Identity& admin = tenant(user);
      request.certificate = {admin.name, admin.groups, admin.home.value};
    }
  }

  void obey(const std::vector<std::string>& order) {
    if (order[0] == "bind") {
      bind(order.at(1), order.at(2), order.at(3));
    } else if (order[0] == "release") {
      release(order.at(1));
    } else if (order[0] == "advance") {
      plane_.t.loop.advance(parse_duration(order.at(1)).value());
    } else if (order[0] == "restart") {
      plane_.restart();
    } else if (order[0] == "tenant") {
      tenant(order.at(1));
    } else {
      ADD_FAILURE() << "unknown order " << order[0];
    }
  }

  // What the scheduler does: an Allocation and the pod's nodeName in one turn.
  void bind(const std::string& tenant_name, const std::string& pod, const std::string& node) {
    const ClusterId cluster = tenant(tenant_name).home;
    (void)plane_.shard->submit([&](store::Turn& turn) {
      const api::Key key(cluster, "pods", "default", pod);
      Json value = turn.get(key)->parse();
      api::set(value, {"spec", "nodeName"}, node);
      const std::string uid(api::string_at(value, {"metadata", "uid"}));
      (void)turn.put(key, value);
      (void)turn.put(api::Key(kRootCluster, "allocations.factory.ingot.dev", "", uid),
                     api::JsonObject{{"apiVersion", "factory.ingot.dev/v1alpha1"},
                                     {"kind", "Allocation"},
                                     {"metadata", {{"name", uid}, {"uid", uid}}},
                                     {"spec",
                                      {{"tenant", tenant_name},
                                       {"cluster", cluster.value},
                                       {"namespace", "default"},
                                       {"pod", pod},
                                       {"node", node},
                                       {"from", "2026-01-02T03:00:00.000000Z"}}},
                                     {"status", {{"phase", "Open"}}}});
    });
    plane_.t.loop.run_until_idle();
  }
  void release(const std::string& uid) {
    (void)plane_.shard->submit([&](store::Turn& turn) {
      (void)turn.erase(api::Key(kRootCluster, "allocations.factory.ingot.dev", "", uid));
    });
    plane_.t.loop.run_until_idle();
  }

  std::string file_;
  TestControlPlane plane_;
  std::map<std::string, Identity> tenants_;
  std::map<std::string, std::string> variables_;
};

std::vector<std::string> transcripts() {
  std::vector<std::string> names;
  for (const auto& entry : std::filesystem::directory_iterator(INGOT_TRANSCRIPTS))
    if (entry.path().extension() == ".txt") names.push_back(entry.path().stem());
  std::ranges::sort(names);
  return names;
}

class Transcript : public testing::TestWithParam<std::string> {};

TEST_P(Transcript, Holds) {
  const std::filesystem::path file = std::filesystem::path(INGOT_TRANSCRIPTS) / (GetParam() + ".txt");
  Player player(file.filename());
  const std::vector<Exchanged> steps = read_transcript(file);
  ASSERT_FALSE(steps.empty());
  for (const Exchanged& step : steps) player.play(step);
}

INSTANTIATE_TEST_SUITE_P(All, Transcript, testing::ValuesIn(transcripts()), [](const auto& test) {
  std::string name = test.param;
  std::ranges::replace(name, '-', '_');
  return name;
});

}  // namespace
}  // namespace ingot::apiserver
