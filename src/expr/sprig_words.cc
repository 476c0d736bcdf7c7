// Words of a text: their cases, and lines of a width. Source: what sprig 3 uses, huandu/xstrings and Masterminds/goutils.
#include <algorithm>

#include "expr/go_text.h"
#include "expr/rows.h"

namespace ingot::expr {
namespace {

enum class Sort : uint8_t { Connector, Punctuation, Upper, Letters, Number, Other, End };
struct Word {
  Sort sort;
  std::string_view text;
};

bool is_connector(char c) { return std::string_view("-_ \t\n\v\f\r").contains(c); }
bool is_upper(char c) { return c >= 'A' && c <= 'Z'; }
// Letters beyond ASCII have no case here.
bool is_letter(char c) {
  return is_upper(c) || (c >= 'a' && c <= 'z') || static_cast<unsigned char>(c) >= 0x80;
}

Sort sort_of(char c) {
  if (is_connector(c)) return Sort::Connector;
  if (is_upper(c)) return Sort::Upper;
  if (is_letter(c)) return Sort::Letters;
  if (c >= '0' && c <= '9') return Sort::Number;
  return std::string_view("!\"#%&'()*,./:;?@[\\]{}").contains(c) ? Sort::Punctuation : Sort::Other;
}

// "HTTPStatus" is HTTP and Status.
std::vector<Word> words_of(std::string_view s) {
  std::vector<Word> out;
  while (!s.empty()) {
    const Sort sort = sort_of(s[0]);
    size_t n = 1;
    while (n < s.size() && sort_of(s[n]) == sort) ++n;
    if (sort == Sort::Upper && n < s.size() && sort_of(s[n]) == Sort::Letters) {
      if (n > 1)
        --n;  // its last letter begins the next
      else
        while (n < s.size() && sort_of(s[n]) == Sort::Letters) ++n;
    }
    out.push_back({sort, s.substr(0, n)});
    s.remove_prefix(n);
  }
  return out;
}

class Joined {
 public:
  Joined(std::string_view s, char connector) : words_(words_of(s)), connector_(connector) {}

  // Numbers go with the word before them, but where letters follow: "bld4_floor", "http_2xx".
  std::string text() {
    while (at_ < words_.size()) {
      const Sort sort = words_[at_].sort;
      put(at_++);
      if (sort == Sort::Number) {
        numbered();
      } else if (sort != Sort::Connector && sort != Sort::Punctuation) {
        if (next() != Sort::Number)
          connect();
        else
          number_follows();
      }
    }
    return std::move(out_);
  }

 private:
  Sort next() const { return at_ < words_.size() ? words_[at_].sort : Sort::End; }
  void put(size_t i) {
    for (const char c : words_[i].text)
      out_ += words_[i].sort == Sort::Connector              ? connector_
              : words_[i].sort == Sort::Upper && is_upper(c) ? char(c + 32)
                                                             : c;
  }
  void connect() {
    if (next() != Sort::End && next() != Sort::Connector && next() != Sort::Punctuation) out_ += connector_;
  }
  void numbered() {
    while (next() == Sort::Letters || next() == Sort::Number) put(at_++);
    connect();
  }
  void number_follows() {
    const bool letters = at_ + 1 < words_.size() && words_[at_ + 1].sort == Sort::Letters;
    if (letters) out_ += connector_;
    put(at_++);
    if (letters)
      numbered();
    else
      connect();
  }

  std::vector<Word> words_;
  char connector_;
  size_t at_ = 0;
  std::string out_;
};

Made snakecase(const Call& c) { return text(Joined(c.text(0), '_').text()); }
Made kebabcase(const Call& c) { return text(Joined(c.text(0), '-').text()); }

// Pascal's: of a word in capitals the first alone stays one.
Made camelcase(const Call& c) {
  std::string_view s = c.text(0);
  std::string out;
  while (!s.empty() && is_connector(s[0])) {
    out += s[0];
    s.remove_prefix(1);
  }
  bool begins = true, capitals = false;
  for (size_t i = 0; i < s.size(); ++i) {
    const char ch = s[i];
    if (is_connector(ch)) {
      const bool more = i + 1 == s.size() || is_connector(s[i + 1]);
      if (more) out += ch;  // of several one is taken out, of those at the end none
      begins = true;
      continue;
    }
    if (begins)
      capitals = is_upper(ch);
    else if (capitals && !is_upper(ch))
      capitals = false;
    out += begins     ? upper(std::string_view(&s[i], 1))
           : capitals ? lower(std::string_view(&s[i], 1))
                      : std::string(1, ch);
    begins = false;
  }
  return text(out);
}

std::string wrapped(std::string_view s, int64_t width, std::string_view line_end, bool breaks_words) {
  const size_t most = size_t(std::clamp<int64_t>(width, 1, int64_t(s.size()) + 1));
  std::string out;
  while (s.size() > most) {
    if (s[0] == ' ') {
      s.remove_prefix(1);
      continue;
    }
    size_t end = s.substr(0, most + 1).rfind(' ');
    size_t skip = 1;
    if (end == s.npos && breaks_words) {
      end = most;
      skip = 0;
    } else if (end == s.npos) {
      end = s.find(' ', most);
      if (end == s.npos) break;
    }
    (out += s.substr(0, end)) += line_end;
    s.remove_prefix(end + skip);
  }
  return out += s;
}
Made wrap(const Call& c) { return text(wrapped(c.text(1), c.integer(0), "\n", false)); }
Made wrap_with(const Call& c) {
  const std::string_view s = c.text(2), end = c.text(1).empty() ? "\n" : c.text(1);
  if (!c.may_make(double(s.size()) * double(end.size() + 1))) return wrong(std::string(kTooDear));
  return text(wrapped(s, c.integer(0), end, true));
}

// `left`: where what is shown begins; dots stand for what is left out on each side.
Made abbrevboth(const Call& c) {
  const std::string_view s = c.text(2);
  const int64_t width = c.integer(1), size = int64_t(s.size());
  int64_t left = c.integer(0);
  if (width < 4 || (left > 0 && width < 7) || size <= width) return text(s);
  left = std::min({left, size, size - left < width - 3 ? size - (width - 3) : left});
  if (left <= 4) return text(std::string(s.substr(0, size_t(width - 3))) + "...");
  if (left + width - 3 >= size) return text("..." + std::string(s.substr(size_t(size - (width - 3)))));
  return text("..." + std::string(s.substr(size_t(left), size_t(width - 6))) + "...");
}

constexpr Function kRows[] = {
    {"snakecase", "s", snakecase, true},  {"kebabcase", "s", kebabcase, true},
    {"camelcase", "s", camelcase, true},  {"wrap", "is", wrap, true},
    {"wrapWith", "iss", wrap_with, true}, {"abbrevboth", "iis", abbrevboth, true},
};

}  // namespace

std::span<const Function> sprig_word_rows() { return kRows; }

}  // namespace ingot::expr
