#include "git/signature.h"

#include <gtest/gtest.h>

#include <vector>

namespace ingot::git {
namespace {

// Made with `ssh-keygen -Y sign -n git`.
constexpr std::string_view kText = "tree 1\nauthor Ada\n\nmessage\n";

const std::string kEd25519Key =
    "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIA5dRxoVZe/q51kcJ+S4Ikq7ttsUzJZfOI4WOL0A1LYF ada@ed25519";

constexpr std::string_view kEd25519Signed =
    "-----BEGIN SSH SIGNATURE-----\n"
    "U1NIU0lHAAAAAQAAADMAAAALc3NoLWVkMjU1MTkAAAAgDl1HGhVl7+rnWRwn5LgiSru22x\n"
    "TMll84jhY4vQDUtgUAAAADZ2l0AAAAAAAAAAZzaGE1MTIAAABTAAAAC3NzaC1lZDI1NTE5\n"
    "AAAAQFc6uj0OppsMrg4aRdfL8Ot+0pakVXgQaS3vovH8JI7K6K3lbiVs+BEGCCFtuTTKS1\n"
    "ikCkSFXRf8BVmYZzqMVAs=\n"
    "-----END SSH SIGNATURE-----\n";

const std::string kEcdsaKey =
    "ecdsa-sha2-nistp256 AAAAE2VjZHNhLXNoYTItbmlzdHAyNTYAAAAIbmlzdHAyNTYAAABBBMQnApCzwlcMVjhLfbFplzNT"
    "HXDV1qPXcrSVlx9kAkwGOD4cMVTNDThh4jFa5+THoKziI60Iohfq0nbncTT1q/k= ada@ecdsa";

constexpr std::string_view kEcdsaSigned =
    "-----BEGIN SSH SIGNATURE-----\n"
    "U1NIU0lHAAAAAQAAAGgAAAATZWNkc2Etc2hhMi1uaXN0cDI1NgAAAAhuaXN0cDI1NgAAAE\n"
    "EExCcCkLPCVwxWOEt9sWmXM1MdcNXWo9dytJWXH2QCTAY4PhwxVM0NOGHiMVrn5MegrOIj\n"
    "rQiiF+rSdudxNPWr+QAAAANnaXQAAAAAAAAABnNoYTUxMgAAAGQAAAATZWNkc2Etc2hhMi\n"
    "1uaXN0cDI1NgAAAEkAAAAhAJhz1XrEygO03ZAlrJL0/pZblrciUSaI1ZTSTKqDRwhCAAAA\n"
    "ICInUW1FG6Jf3LKg+OygCa7NbNB6AUmHf5H6pu31b9/5\n"
    "-----END SSH SIGNATURE-----\n";

const std::string kRsaKey =
    "ssh-rsa AAAAB3NzaC1yc2EAAAADAQABAAABgQCpXdO9OjRl5TRkEZrhvg+Tj8dGWL0cyrKRQNpUKFpsZDMY7o2vXqqL1M7g"
    "1KO4TeWvFJr64YAao5rrIXrODVg984ltZHUAoKepBsMjL2LJO/+a+SHRQq9HDI0J/sQcIzS0wOqwsucddcpu0iFX5C4JuHSz"
    "Q+oRMDKtdSGKvuy6bWgByL3+bHTclvamLjYJkhk+4LEhJuGNG+k4vAiyQ3N1JzbGq5WjBu+Joa0mC4onldOBr9ZcBj4SF4ZI"
    "TWkqL5+i+93Rpkzyzt3J2oJ60zDTRHuoQd8MrT28A5ygvAsr2YJBSbbO/mX/eUSz77bJF7gF6JMvWrMu8PwgDi4q1Kj0GTV1"
    "VlJOBshjlr5HUO203CcS7gJAeVxEDbgyBCd9d1y6H0yMk9e0oWNCU8Hz7IqgzDk04MohvxpFTWC7b7jLvG94AVH8lG1VDPl3"
    "/HSZJ2O9+chTW3crKq33kuhJC5H13Kc4BGe23zZ3njFEYxR8HW9KYJifF6pyN6+s4je9D0U= ada@rsa";

constexpr std::string_view kRsaSigned =
    "-----BEGIN SSH SIGNATURE-----\n"
    "U1NIU0lHAAAAAQAAAZcAAAAHc3NoLXJzYQAAAAMBAAEAAAGBAKld0706NGXlNGQRmuG+D5\n"
    "OPx0ZYvRzKspFA2lQoWmxkMxjuja9eqovUzuDUo7hN5a8UmvrhgBqjmushes4NWD3ziW1k\n"
    "dQCgp6kGwyMvYsk7/5r5IdFCr0cMjQn+xBwjNLTA6rCy5x11ym7SIVfkLgm4dLND6hEwMq\n"
    "11IYq+7LptaAHIvf5sdNyW9qYuNgmSGT7gsSEm4Y0b6Ti8CLJDc3UnNsarlaMG74mhrSYL\n"
    "iieV04Gv1lwGPhIXhkhNaSovn6L73dGmTPLO3cnagnrTMNNEe6hB3wytPbwDnKC8CyvZgk\n"
    "FJts7+Zf95RLPvtskXuAXoky9asy7w/CAOLirUqPQZNXVWUk4GyGOWvkdQ7bTcJxLuAkB5\n"
    "XEQNuDIEJ313XLofTIyT17ShY0JTwfPsiqDMOTTgyiG/GkVNYLtvuMu8b3gBUfyUbVUM+X\n"
    "f8dJknY735yFNbdysqrfeS6EkLkfXcpzgEZ7bfNneeMURjFHwdb0pgmJ8XqnI3r6ziN70P\n"
    "RQAAAANnaXQAAAAAAAAABnNoYTUxMgAAAZQAAAAMcnNhLXNoYTItNTEyAAABgKbXC1F3YU\n"
    "xR245noeoKBFuNCN4JCoLC/8lKi2QdlW3qsKZyZYvv9AE4U2m7LfpbCR8JrPPeC35o727W\n"
    "dhwVDva4lRvdoDlGVJnDabu6JID77Rv1F67PQHmMp2Mii50bwJahbYgeVP64WgdPBiLbX/\n"
    "Di1hYOATfhSf1lZGSo7l9QbpMycG3/oUER3otHWg6iwqG9KvhhuRp42myRc1dKjNiCRIog\n"
    "6wBeali+T4R2xSdF9c3xUgnByX6BLhCfZO2TeGpgw7Qqn/5gNDTtnWXK8ITRmfZvYLXFIb\n"
    "fUdeCB553fl+z7hnvx0iJZtWQy6/KNNWewoanIxTKu2h8U2H0c57gg5/P4fix+hQgvMVF0\n"
    "JyRwIoQKrr9guwNLZG5ZlW8a5DxrGd8BIaBEoy1yr10CO2QpgtUPtiV82J1sMs4ohy+dso\n"
    "qLTW1wT2vREeAXYOm2aWmSkYfvfErVRP14F9PrnrC8oBL4xeSeHUleTx6JN8cSTpMyb5jG\n"
    "MmPftcz1kJAyJA==\n"
    "-----END SSH SIGNATURE-----\n";

constexpr std::string_view kSignedForFiles =
    "-----BEGIN SSH SIGNATURE-----\n"
    "U1NIU0lHAAAAAQAAADMAAAALc3NoLWVkMjU1MTkAAAAgDl1HGhVl7+rnWRwn5LgiSru22x\n"
    "TMll84jhY4vQDUtgUAAAAEZmlsZQAAAAAAAAAGc2hhNTEyAAAAUwAAAAtzc2gtZWQyNTUx\n"
    "OQAAAED5g9ATxPQtUfqzJuOKnyfsBFbOBUmyo9KqQvwOuKFubx3usMNe5ZlHcatOwmVD0c\n"
    "ihuTiMaDANEA4oH20OiCUI\n"
    "-----END SSH SIGNATURE-----\n";

const std::vector<std::string> kAll{kRsaKey, kEcdsaKey, kEd25519Key};

TEST(Signature, EveryKindOfKeySigns) {
  for (const auto& [signature, who] :
       {std::pair{kEd25519Signed, "ada@ed25519"}, {kEcdsaSigned, "ada@ecdsa"}, {kRsaSigned, "ada@rsa"}})
    EXPECT_EQ(signed_by(kAll, signature, kText).value_or("nobody"), who);
}

TEST(Signature, ALineOfAllowedSignersNamesItsPrincipal) {
  const std::vector<std::string> signers{"ada@example.com,root " + kEd25519Key};
  EXPECT_EQ(signed_by(signers, kEd25519Signed, kText).value_or("nobody"), "ada@example.com,root");
}

TEST(Signature, OtherTextKeyOrPurposeIsNoGood) {
  EXPECT_FALSE(signed_by(kAll, kEd25519Signed, "tree 2\n"));
  EXPECT_FALSE(signed_by(kAll, kEcdsaSigned, "tree 2\n"));
  EXPECT_FALSE(signed_by(kAll, kRsaSigned, "tree 2\n"));
  EXPECT_FALSE(signed_by(std::vector{kRsaKey}, kEd25519Signed, kText));
  EXPECT_FALSE(signed_by({}, kEd25519Signed, kText));
  EXPECT_FALSE(signed_by(kAll, kSignedForFiles, kText));
  EXPECT_FALSE(signed_by(kAll, "", kText));
}

TEST(Signature, OpenPgpIsNamed) {
  const auto verdict =
      signed_by(kAll, "-----BEGIN PGP SIGNATURE-----\n\nx\n-----END PGP SIGNATURE-----", kText);
  ASSERT_FALSE(verdict);
  EXPECT_NE(verdict.error().find("OpenPGP"), std::string::npos);
}

TEST(Signature, EveryFlippedByteIsNoticed) {
  std::string broken(kEd25519Signed);
  for (size_t i = 0; i < broken.size(); i += 7) {
    const char was = broken[i];
    broken[i] = was == 'A' ? 'B' : 'A';
    if (was != '\n' && was != broken[i]) (void)signed_by(kAll, broken, kText);
    broken[i] = was;
  }
  // Within the signature itself, behind key, namespace and hash.
  const size_t at = broken.rfind('\n', broken.rfind("-----END") - 2) - 20;
  broken[at] = broken[at] == 'A' ? 'B' : 'A';
  EXPECT_FALSE(signed_by(kAll, broken, kText));
}

}  // namespace
}  // namespace ingot::git
