// The statement that a model's signature is over, as OpenSSF Model Signing v1.0 has it: every file with its digest, and one
// digest over those. Pure; any thread.
//
// Facts: sigstore/model-transparency (model_signing/_signing/signing.py, manifest.py), in-toto/attestation (spec/v1).
// Invariant: a statement that was read has names that stay beneath where the model lies, no two the same, in order, and the
// subject's digest is that of its list.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/digest.h"
#include "base/error.h"
#include "data/manifest.h"

namespace ingot::registry {

inline constexpr std::string_view kStatementType = "https://in-toto.io/Statement/v1",
                                  kSignaturePredicate = "https://model_signing/signature/v1.0",
                                  kProvenancePredicate = "https://slsa.dev/provenance/v1";
inline constexpr size_t kMostResources = 200'000;

// Invalid, naming the file: what a manifest may hold and a signature may not (no files, too many, a ':' in a name, which
// the format keeps for itself).
Result<void> check_signable(const data::Manifest&);

struct ModelStatement {
  std::string name;
  data::Manifest files;  // sizes are not known: 0
  std::vector<std::string> ignored;
};

// What stands for the whole model.
Digest root_digest(const data::Manifest&);
std::string to_statement(std::string_view model, const data::Manifest&);
// Invalid, with the first fault. Files that were not listed are to be refused by who looks, but for `ignored`.
Result<ModelStatement> parse_statement(std::string_view payload);

// The predicateType of a payload of any kind; "" of no statement.
std::string predicate_type(std::string_view payload);
// What its subjects' digests are.
std::vector<Digest> subjects(std::string_view payload);

// The difference between what was signed and what is there: "" for none, or what a person is told of up to ten files.
std::string difference(const ModelStatement&, const data::Manifest& found);

}  // namespace ingot::registry
