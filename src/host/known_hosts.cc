#include "host/known_hosts.h"

#include <openssl/evp.h>
#include <openssl/hmac.h>

#include <algorithm>
#include <string>

#include "base/encoding.h"

namespace ingot::host {
namespace {

constexpr uint16_t kSsh = 22;

std::string_view next_word(std::string_view& line) {
  while (!line.empty() && (line.front() == ' ' || line.front() == '\t')) line.remove_prefix(1);
  const size_t end = std::min(line.find_first_of(" \t"), line.size());
  const std::string_view word = line.substr(0, end);
  line.remove_prefix(end);
  return word;
}

// Two places to go on from, so time is pattern × text at most.
bool pattern_matches(std::string_view pattern, std::string_view text) {
  size_t p = 0, t = 0, star = pattern.npos, from = 0;
  while (t < text.size()) {
    if (p < pattern.size() && (pattern[p] == '?' || (pattern[p] != '*' && pattern[p] == text[t]))) {
      ++p, ++t;
    } else if (p < pattern.size() && pattern[p] == '*') {
      star = p++;
      from = t;
    } else if (star != pattern.npos) {
      p = star + 1;
      t = ++from;
    } else {
      return false;
    }
  }
  return pattern.find_first_not_of('*', p) == pattern.npos;
}

// |1|SALT|HASH
bool hashed_matches(std::string_view word, std::string_view name) {
  word.remove_prefix(3);
  const size_t bar = word.find('|');
  if (bar == word.npos) return false;
  const auto salt = parse_base64(word.substr(0, bar)), wanted = parse_base64(word.substr(bar + 1));
  if (!salt || !wanted) return false;
  unsigned char out[EVP_MAX_MD_SIZE];
  unsigned size = 0;
  if (!HMAC(EVP_sha1(), salt->data(), int(salt->size()), reinterpret_cast<const unsigned char*>(name.data()),
            name.size(), out, &size))
    return false;
  return std::string_view(reinterpret_cast<const char*>(out), size) == *wanted;
}

bool names_match(std::string_view names, std::string_view host) {
  if (names.starts_with("|1|")) return hashed_matches(names, host);
  bool matches = false;
  while (!names.empty()) {
    const size_t comma = std::min(names.find(','), names.size());
    std::string_view one = names.substr(0, comma);
    names.remove_prefix(std::min(comma + 1, names.size()));
    const bool no = one.starts_with('!');
    if (no) one.remove_prefix(1);
    if (!pattern_matches(one, host)) continue;
    if (no) return false;
    matches = true;
  }
  return matches;
}

}  // namespace

HostKey known_host(std::string_view file, std::string_view host, uint16_t port, std::string_view key) {
  std::string name(host);
  std::ranges::transform(name, name.begin(), [](char c) { return c >= 'A' && c <= 'Z' ? char(c + 32) : c; });
  if (port != kSsh) name = "[" + name + "]:" + std::to_string(port);
  const std::string wanted = base64(key);
  HostKey verdict = HostKey::Unknown;
  while (!file.empty()) {
    const size_t end = std::min(file.find('\n'), file.size());
    std::string_view line = file.substr(0, end);
    file.remove_prefix(std::min(end + 1, file.size()));
    if (line.ends_with('\r')) line.remove_suffix(1);
    std::string_view names = next_word(line);
    if (names.empty() || names.starts_with('#')) continue;
    const bool revoked = names == "@revoked";
    if (names.starts_with('@') && !revoked) continue;
    if (revoked) names = next_word(line);
    next_word(line);
    const bool same = next_word(line) == wanted;
    if (!names_match(names, name)) continue;
    if (revoked && same) return HostKey::Revoked;
    if (revoked) continue;
    if (same) verdict = HostKey::Known;
    if (verdict == HostKey::Unknown) verdict = HostKey::Other;
  }
  return verdict;
}

}  // namespace ingot::host
