/* A gRPC backend light enough not to be the limit: libnghttp2 on one thread with epoll.
 *
 *   cc -O2 -o backend backend.c -lnghttp2 && ./backend PORT
 *
 * /bench.Bench/Echo         answers with the request's messages
 * /bench.Bench/Stream/N/S   answers with N messages of S bytes
 *
 * Prints "ready" once it listens. Clear text with prior knowledge only.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <nghttp2/nghttp2.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

typedef struct stream {
  int32_t id;
  uint8_t *body;       /* echo: the request so far */
  size_t size, room, sent;
  uint64_t left;       /* stream: bytes still to make up */
  uint32_t message;    /* stream: bytes of one message with its prefix; 0 for echo */
  uint32_t at;         /* stream: position within the current message */
} stream;

typedef struct {
  int fd;
  nghttp2_session *session;
  uint8_t *out;        /* what the socket did not take */
  size_t out_size, out_room, out_sent;
  int waiting;         /* for the socket to become writable */
} connection;

static int poller;

static nghttp2_nv pair(const char *name, const char *value) {
  nghttp2_nv nv = {(uint8_t *)name, (uint8_t *)value, strlen(name), strlen(value),
                   NGHTTP2_NV_FLAG_NO_COPY_NAME | NGHTTP2_NV_FLAG_NO_COPY_VALUE};
  return nv;
}

static ssize_t give(nghttp2_session *session, int32_t id, uint8_t *buffer, size_t room, uint32_t *flags,
                    nghttp2_data_source *source, void *user) {
  (void)user;
  stream *s = source->ptr;
  size_t done = 0;
  if (s->message) {
    /* A prefix is cut where the room ends, as the rest of a message is: giving nothing would have an empty
     * frame sent, again and again, for as long as the peer's window is smaller than a prefix. */
    const uint8_t prefix[5] = {0, (s->message - 5) >> 24, (s->message - 5) >> 16, (s->message - 5) >> 8, s->message - 5};
    while (done < room && s->left) {
      const int leading = s->at < sizeof prefix;
      size_t n = (leading ? sizeof prefix : s->message) - s->at;
      if (n > room - done) n = room - done;
      if (leading) memcpy(buffer + done, prefix + s->at, n);
      else memset(buffer + done, 'x', n);
      done += n; s->at += n; s->left -= n;
      if (s->at == s->message) s->at = 0;
    }
    if (!s->left) *flags |= NGHTTP2_DATA_FLAG_EOF;
  } else {
    done = s->size - s->sent < room ? s->size - s->sent : room;
    memcpy(buffer, s->body + s->sent, done);
    s->sent += done;
    if (s->sent == s->size) *flags |= NGHTTP2_DATA_FLAG_EOF;
  }
  if (*flags & NGHTTP2_DATA_FLAG_EOF) {
    nghttp2_nv trailer = pair("grpc-status", "0");
    *flags |= NGHTTP2_DATA_FLAG_NO_END_STREAM;
    nghttp2_submit_trailer(session, id, &trailer, 1);
  }
  return (ssize_t)done;
}

static int on_begin(nghttp2_session *session, const nghttp2_frame *frame, void *user) {
  (void)user;
  if (frame->hd.type == NGHTTP2_HEADERS && frame->headers.cat == NGHTTP2_HCAT_REQUEST) {
    stream *s = calloc(1, sizeof *s);
    s->id = frame->hd.stream_id;
    nghttp2_session_set_stream_user_data(session, s->id, s);
  }
  return 0;
}

static int on_header(nghttp2_session *session, const nghttp2_frame *frame, const uint8_t *name, size_t name_size,
                     const uint8_t *value, size_t value_size, uint8_t flags, void *user) {
  (void)flags; (void)user; (void)value_size;
  stream *s = nghttp2_session_get_stream_user_data(session, frame->hd.stream_id);
  if (s && name_size == 5 && !memcmp(name, ":path", 5)) {
    unsigned long long count; unsigned size;
    if (sscanf((const char *)value, "/bench.Bench/Stream/%llu/%u", &count, &size) == 2) {
      s->message = size + 5;
      s->left = count * s->message;
    }
  }
  return 0;
}

static int on_chunk(nghttp2_session *session, uint8_t flags, int32_t id, const uint8_t *data, size_t size, void *user) {
  (void)flags; (void)user;
  stream *s = nghttp2_session_get_stream_user_data(session, id);
  if (!s || s->message) return 0;
  if (s->size + size > s->room) {
    s->room = (s->size + size) * 2;
    s->body = realloc(s->body, s->room);
  }
  memcpy(s->body + s->size, data, size);
  s->size += size;
  return 0;
}

static int on_frame(nghttp2_session *session, const nghttp2_frame *frame, void *user) {
  (void)user;
  if ((frame->hd.type == NGHTTP2_HEADERS || frame->hd.type == NGHTTP2_DATA) &&
      frame->hd.flags & NGHTTP2_FLAG_END_STREAM) {
    stream *s = nghttp2_session_get_stream_user_data(session, frame->hd.stream_id);
    if (!s) return 0;
    nghttp2_nv head[] = {pair(":status", "200"), pair("content-type", "application/grpc")};
    nghttp2_data_provider provider = {{.ptr = s}, give};
    nghttp2_submit_response(session, s->id, head, 2, &provider);
  }
  return 0;
}

static int on_close(nghttp2_session *session, int32_t id, uint32_t code, void *user) {
  (void)code; (void)user;
  stream *s = nghttp2_session_get_stream_user_data(session, id);
  if (s) { free(s->body); free(s); }
  return 0;
}

static void finish(connection *c) {
  nghttp2_session_del(c->session);
  close(c->fd);
  free(c->out);
  free(c);
}

/* Write all there is; 0 when the connection is gone. */
static int flush(connection *c) {
  for (;;) {
    if (c->out_sent == c->out_size) {
      c->out_sent = c->out_size = 0;
      while (c->out_size < 256 * 1024) {
        const uint8_t *data;
        ssize_t n = nghttp2_session_mem_send(c->session, &data);
        if (n < 0) return 0;
        if (n == 0) break;
        if (c->out_size + n > c->out_room) {
          c->out_room = (c->out_size + n) * 2;
          c->out = realloc(c->out, c->out_room);
        }
        memcpy(c->out + c->out_size, data, n);
        c->out_size += n;
      }
      if (!c->out_size) break;
    }
    ssize_t n = write(c->fd, c->out + c->out_sent, c->out_size - c->out_sent);
    if (n < 0) {
      if (errno != EAGAIN) return 0;
      break;
    }
    c->out_sent += n;
  }
  int waiting = c->out_sent < c->out_size;
  if (waiting != c->waiting) {
    struct epoll_event event = {EPOLLIN | (waiting ? EPOLLOUT : 0), {.ptr = c}};
    epoll_ctl(poller, EPOLL_CTL_MOD, c->fd, &event);
    c->waiting = waiting;
  }
  return nghttp2_session_want_read(c->session) || nghttp2_session_want_write(c->session) || waiting;
}

static void begin(int listener, nghttp2_session_callbacks *callbacks) {
  int fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK), on = 1;
  if (fd < 0) return;
  setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  connection *c = calloc(1, sizeof *c);
  c->fd = fd;
  nghttp2_session_server_new(&c->session, callbacks, c);
  nghttp2_settings_entry settings[] = {{NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS, 10000},
                                       {NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, 4 << 20}};
  nghttp2_submit_settings(c->session, NGHTTP2_FLAG_NONE, settings, 2);
  nghttp2_session_set_local_window_size(c->session, NGHTTP2_FLAG_NONE, 0, 16 << 20);
  struct epoll_event event = {EPOLLIN, {.ptr = c}};
  epoll_ctl(poller, EPOLL_CTL_ADD, fd, &event);
  if (!flush(c)) finish(c);
}

int main(int count, char **arguments) {
  int listener = socket(AF_INET, SOCK_STREAM, 0), on = 1;
  struct sockaddr_in where = {.sin_family = AF_INET, .sin_port = htons(count > 1 ? atoi(arguments[1]) : 50051)};
  inet_pton(AF_INET, "127.0.0.1", &where.sin_addr);
  setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  if (bind(listener, (struct sockaddr *)&where, sizeof where) || listen(listener, 1024)) {
    perror("backend");
    return 1;
  }
  nghttp2_session_callbacks *callbacks;
  nghttp2_session_callbacks_new(&callbacks);
  nghttp2_session_callbacks_set_on_begin_headers_callback(callbacks, on_begin);
  nghttp2_session_callbacks_set_on_header_callback(callbacks, on_header);
  nghttp2_session_callbacks_set_on_data_chunk_recv_callback(callbacks, on_chunk);
  nghttp2_session_callbacks_set_on_frame_recv_callback(callbacks, on_frame);
  nghttp2_session_callbacks_set_on_stream_close_callback(callbacks, on_close);
  poller = epoll_create1(0);
  struct epoll_event event = {EPOLLIN, {.ptr = NULL}};
  epoll_ctl(poller, EPOLL_CTL_ADD, listener, &event);
  puts("ready");
  fflush(stdout);
  static uint8_t buffer[256 * 1024];
  for (;;) {
    struct epoll_event events[64];
    int n = epoll_wait(poller, events, 64, -1);
    for (int i = 0; i < n; i++) {
      connection *c = events[i].data.ptr;
      if (!c) { begin(listener, callbacks); continue; }
      int alive = 1;
      if (events[i].events & (EPOLLIN | EPOLLHUP | EPOLLERR)) {
        ssize_t size = read(c->fd, buffer, sizeof buffer);
        if (size == 0 || (size < 0 && errno != EAGAIN)) alive = 0;
        else if (size > 0 && nghttp2_session_mem_recv(c->session, buffer, size) < 0) alive = 0;
      }
      if (!alive || !flush(c)) finish(c);
    }
  }
}
