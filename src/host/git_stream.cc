// libgit2's connections: sockets that were asked for. libgit2 1.5 runs TLS over what is registered here by itself; its SSH
// reads the socket out of its own kind of stream, whose members these are.
#include <git2/sys/stream.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <new>

#include "host/git_connect.h"
#include "host/git_objects.h"

namespace ingot::host {
namespace {

static_assert(LIBGIT2_VER_MAJOR == 1 && LIBGIT2_VER_MINOR >= 3 && LIBGIT2_VER_MINOR <= 9,
              "look at libgit2's git_socket_stream: Stream has the same members in the same order");

int g_handle = -1;
int64_t g_left = 0;
Error g_fault;

struct Stream {
  git_stream parent;
  char *host, *port;
  int socket;
};
Stream* own(git_stream* stream) { return reinterpret_cast<Stream*>(stream); }

int complain(std::string_view cause, const std::string& why) {
  if (g_fault.causes.empty()) g_fault = env::git_error(cause, why);
  git_error_set_str(GIT_ERROR_NET, why.c_str());
  return -1;
}

int connect_stream(git_stream* stream) {
  auto made = ask_connection(g_handle, own(stream)->host, own(stream)->port);
  if (!made) return complain(made.error().causes.front().type, made.error().message);
  own(stream)->socket = made->release();
  return 0;
}

ssize_t read_stream(git_stream* stream, void* data, size_t size) {
  const ssize_t n = ::recv(own(stream)->socket, data, size, 0);
  if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK))
    return complain(env::kGitTimedOut, "the remote stopped sending");
  if (n < 0) return complain(env::kGitUnreachable, std::string("cannot receive: ") + std::strerror(errno));
  g_left -= n;
  if (g_left < 0) return complain(env::kGitTooLarge, "the remote sends more than a repository may have");
  return n;
}

ssize_t write_stream(git_stream* stream, const char* data, size_t size, int) {
  const ssize_t n = ::send(own(stream)->socket, data, size, MSG_NOSIGNAL);
  if (n < 0) return complain(env::kGitUnreachable, std::string("cannot send: ") + std::strerror(errno));
  return n;
}

int close_stream(git_stream* stream) {
  if (own(stream)->socket >= 0) ::close(own(stream)->socket);
  own(stream)->socket = -1;
  return 0;
}

void free_stream(git_stream* stream) {
  close_stream(stream);
  ::free(own(stream)->host);
  ::free(own(stream)->port);
  ::free(stream);
}

int make_stream(git_stream** out, const char* host, const char* port) {
  auto* made = static_cast<Stream*>(::calloc(1, sizeof(Stream)));
  if (!made) return -1;
  made->parent.version = GIT_STREAM_VERSION;
  made->parent.connect = connect_stream;
  made->parent.read = read_stream;
  made->parent.write = write_stream;
  made->parent.close = close_stream;
  made->parent.free = free_stream;
  made->host = ::strdup(host);
  made->port = ::strdup(port);
  made->socket = -1;
  *out = &made->parent;
  return 0;
}

}  // namespace

void git_connect_by(int handle, int64_t bytes) {
  g_handle = handle;
  g_left = bytes;
  git_stream_registration registration{

      .version = GIT_STREAM_VERSION, .init = make_stream, .wrap = nullptr};
  git_stream_register(GIT_STREAM_STANDARD, &registration);
}

const Error& git_connection_fault() { return g_fault; }

}  // namespace ingot::host
