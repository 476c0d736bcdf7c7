// Who is asking. The part that costs (a token's signature) is done on any thread and remembered; what depends on
// state (does the ServiceAccount still exist?) is checked in the turn, every time.
#pragma once

#include <memory>
#include <mutex>
#include <optional>
#include <string>

#include "apiserver/lru.h"
#include "apiserver/memo.h"
#include "apiserver/request.h"
#include "store/shard.h"

namespace ingot::apiserver {

inline constexpr std::string_view kIssuer = "https://kubernetes.default.svc";  // also the default audience

struct TokenClaims {
  ClusterId cluster;
  std::string ns, account, account_uid;
  std::string pod, pod_uid;  // "" = bound to no pod
  std::vector<std::string> audiences;
  WallTime not_before{}, expires{};
};
using ClaimsPtr = std::shared_ptr<const TokenClaims>;

struct Credential {
  enum class Kind : uint8_t { None, Bad, Known, Token };
  Kind kind = Kind::None;
  Identity identity;  // Known: from a trusted caller or a certificate
  ClaimsPtr claims;   // Token
  // Whom the request is charged to before it is authenticated in the turn; "" = nobody.
  const std::string& home() const { return claims ? claims->cluster.value : identity.home.value; }
};

class Authenticator {
 public:
  explicit Authenticator(Authority& authority) : authority_(authority) {}

  // Any thread.
  Credential read(const Request&);
  Result<ClaimsPtr> read_token(const std::string& token);
  // In a turn. Unauthorized, with nothing said about why.
  Result<Identity> authenticate(const Credential&, const store::Turn&, WallTime now);
  Result<Identity> check_claims(const TokenClaims&, const store::Turn&, WallTime now);

 private:
  bool exists(const store::Turn&, const api::Key&, std::string_view uid);

  Authority& authority_;
  std::mutex mutex_;                            // guards verified_
  Lru<std::string, ClaimsPtr> verified_{8192};  // SHA-256 of the token
  Memo<std::string> uids_{4096};                // loop thread
};

// A token's claims as they are signed. `pod`, `pod_uid` may be empty.
api::JsonObject token_claims(const TokenClaims&, WallTime issued, const std::string& id);

Error unauthorized();
// metadata.uid of a stored object.
std::string uid_of(const api::Json&);

}  // namespace ingot::apiserver
