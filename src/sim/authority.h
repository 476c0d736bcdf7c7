// Credentials of the simulation: a token is its claims and a keyed hash. Nobody here attacks the cryptography; that is
// host/'s and its tests' business.
#pragma once

#include "apiserver/request.h"
#include "base/encoding.h"

namespace ingot::sim {

class Authority final : public apiserver::Authority {
 public:
  std::string sign(const api::JsonObject& claims) override {
    const std::string text = api::to_text(claims);
    return base64url(text) + "." + base64url(sha256("sim" + text)) + ".";
  }
  Result<api::Json> verify(const std::string& token) override {
    const size_t dot = token.find('.');
    const auto text = dot == token.npos ? std::nullopt : parse_base64url(token.substr(0, dot));
    if (!text || token != base64url(*text) + "." + base64url(sha256("sim" + *text)) + ".")
      return fail(Reason::Unauthorized, "not a token of this factory");
    return api::parse_json(*text);
  }
  Result<KeyPair> client_certificate(const apiserver::Identity& who, Duration) override {
    return KeyPair{.certificate_pem = "certificate of " + who.name, .key_pem = "key of " + who.name};
  }
  std::string ca_pem() const override { return "simulated CA"; }
};

// Logs of hollow containers: there are none.
struct NoLogs final : apiserver::LogSource {
  void stream(const apiserver::LogTarget&, apiserver::ExchangePtr exchange) override { exchange->reply({}); }
};

}  // namespace ingot::sim
