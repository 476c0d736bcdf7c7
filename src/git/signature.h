// Who signed a commit, by SSH keys (git's gpg.format=ssh). Pure; any thread.
// Source: OpenSSH, PROTOCOL.sshsig; RFC 8332, RFC 5656, RFC 8709 for keys and signatures.
#pragma once

#include <expected>
#include <span>
#include <string>
#include <string_view>

namespace ingot::git {

// `signers`: lines as ssh-keygen writes public keys, or as an allowed_signers file has them; `signature`: as the commit
// carries it. ed25519, RSA of 2048 bits and more with SHA-2, ECDSA on P-256, P-384 and P-521; namespace "git".
// The principals or comment of the signer's line; or why it is not good.
std::expected<std::string, std::string> signed_by(std::span<const std::string> signers,
                                                  std::string_view signature, std::string_view text);

}  // namespace ingot::git
