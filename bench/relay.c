// What the machine allows at most: a relay that passes bytes on without looking at them. Connections are paired in the order they come.
//
//     relay [lines]    prints `ready PORT`; lines: each line in a write of its own
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

enum { MOST = 65536 };
// What the kernel has not taken yet for a connection, and the beginning of a line for its partner.
static struct {
  int partner;
  char *out, *part;
  size_t out_size, part_size;
} ends[MOST];
static int epoll;

static void watch(int fd, int op, int events) {
  struct epoll_event e = {.events = events, .data.fd = fd};
  epoll_ctl(epoll, op, fd, &e);
}
static void append(char **to, size_t *size, const char *bytes, size_t n) {
  *to = realloc(*to, *size + n);
  memcpy(*to + *size, bytes, n);
  *size += n;
}
static void pass(int fd, const char *bytes, size_t n) {
  while (n > 0 && ends[fd].out_size == 0) {
    ssize_t taken = write(fd, bytes, n);
    if (taken < 0 && errno != EAGAIN) return;
    if (taken < 0) break;
    bytes += taken;
    n -= taken;
  }
  if (n == 0) return;
  if (ends[fd].out_size == 0) watch(fd, EPOLL_CTL_MOD, EPOLLIN | EPOLLOUT);
  append(&ends[fd].out, &ends[fd].out_size, bytes, n);
}
static void pass_on(int fd) {
  ssize_t taken = write(fd, ends[fd].out, ends[fd].out_size);
  if (taken < 0) return;
  memmove(ends[fd].out, ends[fd].out + taken, ends[fd].out_size -= taken);
  if (ends[fd].out_size == 0) watch(fd, EPOLL_CTL_MOD, EPOLLIN);
}
static void end(int fd) {
  int partner = ends[fd].partner;
  close(fd);
  free(ends[fd].out);
  free(ends[fd].part);
  memset(&ends[fd], 0, sizeof ends[fd]);
  if (partner > 0 && ends[partner].partner == fd) end(partner);
}

int main(int argc, char **argv) {
  int by_line = argc > 1 && strcmp(argv[1], "lines") == 0, one = 1, single = 0;
  static char bytes[1 << 16];
  struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
  socklen_t size = sizeof address;
  int listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
  signal(SIGPIPE, SIG_IGN);
  if (bind(listener, (void *)&address, size) || listen(listener, 4096) || getsockname(listener, (void *)&address, &size)) return perror("listen"), 1;
  epoll = epoll_create1(0);
  watch(listener, EPOLL_CTL_ADD, EPOLLIN);
  printf("ready %d\n", ntohs(address.sin_port));
  fflush(stdout);
  for (struct epoll_event events[1024];;) {
    int n = epoll_wait(epoll, events, 1024, -1);
    for (int k = 0; k < n; k++) {
      int fd = events[k].data.fd;
      if (fd == listener) {
        for (int c; (c = accept4(listener, NULL, NULL, SOCK_NONBLOCK)) >= 0 && c < MOST;) {
          setsockopt(c, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
          if (single == 0) {
            single = c;
            continue;
          }
          // Read only from now on: nothing that came before its partner is lost.
          ends[c].partner = single;
          ends[single].partner = c;
          watch(c, EPOLL_CTL_ADD, EPOLLIN);
          watch(single, EPOLL_CTL_ADD, EPOLLIN);
          single = 0;
        }
        continue;
      }
      int partner = ends[fd].partner;
      if (partner == 0) continue;
      if (events[k].events & EPOLLOUT) pass_on(fd);
      if (!(events[k].events & (EPOLLIN | EPOLLHUP | EPOLLERR))) continue;
      ssize_t got = read(fd, bytes, sizeof bytes);
      if (got == 0 || (got < 0 && errno != EAGAIN)) end(fd);
      if (got <= 0) continue;
      if (!by_line) {
        pass(partner, bytes, got);
        continue;
      }
      char *from = bytes, *last = bytes + got, *at;
      for (; (at = memchr(from, '\n', last - from)); from = at + 1) {
        if (ends[fd].part_size == 0) pass(partner, from, at + 1 - from);
        else {
          append(&ends[fd].part, &ends[fd].part_size, from, at + 1 - from);
          pass(partner, ends[fd].part, ends[fd].part_size);
          ends[fd].part_size = 0;
        }
      }
      if (from < last) append(&ends[fd].part, &ends[fd].part_size, from, last - from);
    }
  }
}
