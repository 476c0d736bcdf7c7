#include "node/config.h"

#include <fmt/format.h>

#include "node/tracking.h"

namespace ingot::node {
namespace {
using api::Json;
using api::JsonObject;

void collect_env(const ContainerDef& c, ConfigRefs& refs) {
  const auto add = [](std::set<std::string>& to, std::string_view name) {
    if (!name.empty()) to.emplace(name);
  };
  for (const Json& from : api::array_at(*c.spec, {"envFrom"})) {
    add(refs.config_maps, api::string_at(from, {"configMapRef", "name"}));
    add(refs.secrets, api::string_at(from, {"secretRef", "name"}));
  }
  for (const Json& env : api::array_at(*c.spec, {"env"})) {
    add(refs.config_maps, api::string_at(env, {"valueFrom", "configMapKeyRef", "name"}));
    add(refs.secrets, api::string_at(env, {"valueFrom", "secretKeyRef", "name"}));
  }
}

void collect_source(const Json& source, ConfigRefs& refs) {
  // A secret volume says secretName where a projected one says name.
  for (const std::string_view key : {"secretName", "name"})
    if (const auto name = api::string_at(source, {"secret", key}); !name.empty()) refs.secrets.emplace(name);
  if (const auto name = api::string_at(source, {"configMap", "name"}); !name.empty())
    refs.config_maps.emplace(name);
  if (const Json* token = api::find(source, {"serviceAccountToken"})) {
    refs.tokens.insert({std::string(api::string_at(*token, {"audience"})),
                        api::int_at(*token, {"expirationSeconds"}).value_or(3600)});
  }
}

std::string token_request(const Pod& pod, const TokenRef& ref) {
  JsonObject spec{{"expirationSeconds", ref.expiration_s},
                  {"boundObjectRef",
                   JsonObject{{"apiVersion", "v1"}, {"kind", "Pod"}, {"name", pod.name}, {"uid", pod.uid}}}};
  if (!ref.audience.empty()) spec["audiences"] = api::JsonArray{Json(ref.audience)};
  return api::to_text(JsonObject{
      {"apiVersion", "authentication.k8s.io/v1"}, {"kind", "TokenRequest"}, {"spec", std::move(spec)}});
}

// The Status message of a refusal, or its code.
std::string refusal(const Answer& answer) {
  const auto status = api::parse_json(answer.body);
  const std::string_view message = status ? api::string_at(*status, {"message"}) : std::string_view();
  return message.empty() ? fmt::format("HTTP {}", answer.code) : std::string(message);
}

// A number without zeros in front, so that one version has one name.
bool is_version(std::string_view text) {
  return !text.empty() && text.size() < 10 && text.front() != '0' &&
         text.find_first_not_of("0123456789") == text.npos;
}
}  // namespace

std::optional<DatasetRef> dataset_of(const Json& volume) {
  if (api::string_at(volume, {"csi", "driver"}) != kDatasetDriver) return std::nullopt;
  return DatasetRef{std::string(api::string_at(volume, {"csi", "volumeAttributes", "dataset"})),
                    std::string(api::string_at(volume, {"csi", "volumeAttributes", "version"}))};
}

ConfigRefs references(const Pod& pod) {
  ConfigRefs refs;
  for (const ContainerDef& c : pod.containers) collect_env(c, refs);
  for (const Json& volume : api::array_at(pod.object, {"spec", "volumes"})) {
    collect_source(volume, refs);
    if (const auto ref = dataset_of(volume);
        ref && is_version(ref->version) && ref->dataset.find('/') == ref->dataset.npos)
      refs.dataset_versions.insert(ref->object());
    for (const Json& source : api::array_at(volume, {"projected", "sources"})) collect_source(source, refs);
  }
  if (const auto token = tracking_token(pod)) refs.tokens.insert(*token);
  return refs;
}

struct ConfigFetcher::State : std::enable_shared_from_this<State> {
  env::Clock& clock;
  Done done;
  PodConfig got;
  size_t waiting = 0;
  std::optional<Error> error;

  State(env::Clock& c, Done d) : clock(c), done(std::move(d)) {}

  void one_less() {
    if (--waiting > 0) return;
    if (error)
      done(fail(std::move(*error)));
    else
      done(std::move(got));
  }

  void fetch(Api& api, Call call, std::string what, bool absent_is_fine,
             std::move_only_function<bool(const Json*)> take) {
    ++waiting;
    auto self = weak_from_this();
    api.call(std::move(call), [self, what = std::move(what), absent_is_fine,
                               take = std::move(take)](Result<Answer> answer) mutable {
      const auto state = self.lock();
      if (!state) return;
      if (!answer) {
        state->error = Error{Reason::ServiceUnavailable, fmt::format("{}: {}", what, answer.error().message)};
      } else if (answer->code == 404 && absent_is_fine) {
        take(nullptr);
      } else if (answer->code / 100 != 2) {
        state->error = Error{Reason::InternalError, fmt::format("{}: {}", what, refusal(*answer))};
      } else if (const auto body = api::parse_json(answer->body); !body || !take(&*body)) {
        state->error = Error{Reason::InternalError, what + ": the answer cannot be read"};
      }
      state->one_less();
    });
  }
};

ConfigFetcher::ConfigFetcher(env::Env& env, Api& api, const std::string& cluster_path, const Pod& pod,
                             const ConfigRefs& refs, const PodConfig& old, const std::string& ca_pem,
                             Done done)
    : state_(std::make_shared<State>(env.clock, std::move(done))) {
  State* s = state_.get();
  const std::string base = fmt::format("{}/api/v1/namespaces/{}/", cluster_path, pod.ns);
  const std::string own =
      fmt::format("{}/apis/factory.ingot.dev/v1alpha1/namespaces/{}/", cluster_path, pod.ns);
  const auto object = [&](std::map<std::string, std::optional<Json>>& into, std::string_view plural,
                          const std::string& name) {
    const std::string& path = &into == &s->got.dataset_versions ? own : base;
    s->fetch(api, {.method = "GET", .path = fmt::format("{}{}/{}", path, plural, name)},
             fmt::format("{} \"{}\"", plural, name), true, [&into, name](const Json* body) {
               into[name] = body ? std::optional<Json>(*body) : std::nullopt;
               return true;
             });
  };
  // The last of what is waited for is posted: with nothing to ask for, `done` still does not run inline.
  ++s->waiting;
  env.loop.post([self = std::weak_ptr<State>(state_)] {
    if (const auto state = self.lock()) state->one_less();
  });
  for (const std::string& name : refs.config_maps) {
    if (name == "kube-root-ca.crt" && !ca_pem.empty())
      s->got.config_maps[name] = JsonObject{{"data", JsonObject{{"ca.crt", ca_pem}}}};
    else
      object(s->got.config_maps, "configmaps", name);
  }
  for (const std::string& name : refs.dataset_versions)
    object(s->got.dataset_versions, "datasetversions", name);
  for (const std::string& name : refs.secrets) object(s->got.secrets, "secrets", name);
  for (const TokenRef& ref : refs.tokens) {
    if (const auto it = old.tokens.find(ref);
        it != old.tokens.end() && env.clock.wall() < it->second.renew_at()) {
      s->got.tokens.insert(*it);
      continue;
    }
    s->fetch(api,
             {.method = "POST",
              .path = fmt::format("{}serviceaccounts/{}/token", base, pod.service_account),
              .body = token_request(pod, ref)},
             fmt::format("token of serviceaccount \"{}\"", pod.service_account), false,
             [s, ref](const Json* body) {
               const WallTime now = s->clock.wall();
               Token t{.text = std::string(api::string_at(*body, {"status", "token"})), .issued = now};
               t.expires = parse_rfc3339(api::string_at(*body, {"status", "expirationTimestamp"}))
                               .value_or(now + std::chrono::seconds(ref.expiration_s));
               if (t.text.empty()) return false;
               s->got.tokens[ref] = std::move(t);
               return true;
             });
  }
}

}  // namespace ingot::node
