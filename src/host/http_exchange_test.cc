#include "host/http_exchange.h"

#include <gtest/gtest.h>

namespace ingot::host {
namespace {

std::string kinds(const std::vector<Delivery>& letters) {
  std::string text;
  for (const Delivery& letter : letters) text += letter.quick ? 'q' : '.';
  return text;
}

TEST(Mailbox, QuickLettersOvertakeTheOthersWhichComeInParts) {
  Mailbox mailbox;
  for (int i = 0; i < 20; ++i) mailbox.put({.kind = Delivery::Kind::Reply});
  for (int i = 0; i < 2; ++i) mailbox.put({.kind = Delivery::Kind::Reply, .quick = true});
  EXPECT_EQ(kinds(mailbox.take(true)), "qq" + std::string(16, '.'));
  EXPECT_EQ(kinds(mailbox.take(true)), std::string(4, '.'));
  EXPECT_EQ(kinds(mailbox.take(true)), "");
}

}  // namespace
}  // namespace ingot::host
