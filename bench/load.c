// The load generator: one thread, epoll, so that it costs less than what it measures. bench/load.ts does the same, slower, where there is no compiler.
//
//     load -p PORT[,PORT…] [-m MSGID] [-v PROTO] [-d DEVICES] [-w WINDOW] [-g GROUP] [-i] [-c CORE]
//
// stdin: a line `ID TOKEN` for each user, token `-` for a connection without a login, and an empty line; then commands. stdout: a line of JSON for each.
//
//     login            everyone connects and logs in, 64 at a time
//     run WARM MS      after WARM ms of the same, measures for MS; then lets what is in flight arrive
//     drop             closes all connections
//
// Users connect to one port after the other in turn. User 2k sends to user 2k+1, or with -g the first user to the group of all others. With -d so many lines one
// after the other are devices of one user: the first sends, and all of both users receive. A window: WINDOW
// messages in flight per sender, and a delivery (to all of a group) lets the next go. -i: the last user sends a PING, and 1 ms after its PONG the next, which shows how long the server leaves others waiting.
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { AHEAD = 64, LINE = 120, CONFIRM = 64, PROBE_US = 1000, BUCKETS = 1 << 20, STDIN = -1 };

typedef struct {
  int fd, stream;  // the stream it receives, -1: none
  bool logged_in, wants_out;
  long id, seq, confirmed;
  char token[128];
  char *in, *out;  // the beginning of a line; what the kernel has not taken yet
  size_t in_size, out_size;
} Peer;

// One sender and its receivers.
typedef struct {
  int from, receivers, in_flight, head;  // in_flight: messages; head: where in sent_at the oldest of them stands
  long got, delivered;                   // got: deliveries of the oldest message in flight
  double *sent_at;
  char *block;  // WINDOW copies of its line
  size_t line;
} Stream;

// Durations in microseconds, one bucket each.
typedef struct {
  unsigned count[BUCKETS];
  long total;
  double longest;
} Durations;

static int ports[16], port_count, kind = 21, proto = 2, devices = 1, window = 1, count, epoll, stream_count, waiting_logins, next_login, logged_in;
static long group = -1;
static bool with_probe, running, measuring, sending;
static Peer *peers;
static Stream *streams;
static Durations latency, probe;
static double probe_sent, probe_next, measure_from, measure_for, own_from, busy, span, login_began, *login_at;
static long in_flight, total, measured;
static char mark[32], input[1 << 21];

static double seconds(clockid_t clock) {
  struct timespec t;
  clock_gettime(clock, &t);
  return t.tv_sec + t.tv_nsec * 1e-9;
}
static double now(void) { return seconds(CLOCK_MONOTONIC); }
static void die(const char *what, const char *detail, size_t size) {
  fprintf(stderr, "load: %s (%s) %.*s\n", what, strerror(errno), (int)(size > 300 ? 300 : size), detail);
  exit(3);
}

static void add(Durations *d, double s) {
  long us = (long)(s * 1e6);
  d->count[us < 0 ? 0 : us < BUCKETS ? us : BUCKETS - 1]++;
  d->total++;
  if (s > d->longest) d->longest = s;
}
static long percentile(const Durations *d, double q) {
  long below = 0;
  for (int i = 0; i < BUCKETS; i++)
    if ((below += d->count[i]) > 0 && below >= q * d->total) return i;
  return 0;
}

static void watch(int i, int op) {
  struct epoll_event e = {.events = EPOLLIN | (peers[i].wants_out ? EPOLLOUT : 0), .data.fd = i};
  if (epoll_ctl(epoll, op, peers[i].fd, &e)) die("epoll_ctl", "", 0);
}
static void send_bytes(int i, const char *bytes, size_t size) {
  Peer *p = &peers[i];
  while (size > 0 && p->out_size == 0) {
    ssize_t n = write(p->fd, bytes, size);
    if (n < 0 && errno == EAGAIN) break;
    if (n < 0) die("write", "", 0);
    bytes += n;
    size -= n;
  }
  if (size == 0) return;
  p->out = realloc(p->out, p->out_size + size);
  memcpy(p->out + p->out_size, bytes, size);
  p->out_size += size;
  if (p->wants_out) return;
  p->wants_out = true;
  watch(i, EPOLL_CTL_MOD);
}
static void send_on(int i) {
  Peer *p = &peers[i];
  if (p->fd < 0) return;
  ssize_t n = write(p->fd, p->out, p->out_size);
  if (n < 0 && errno != EAGAIN) die("write", "", 0);
  if (n < 0) return;
  memmove(p->out, p->out + n, p->out_size - n);
  if ((p->out_size -= n) > 0) return;
  p->wants_out = false;
  watch(i, EPOLL_CTL_MOD);
}

static void dial(int i) {
  Peer *p = &peers[i];
  int one = 1;
  if ((p->fd = socket(AF_INET, SOCK_STREAM, 0)) < 0) die("socket", "", 0);
  setsockopt(p->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
  setsockopt(p->fd, IPPROTO_IP, 24 /* IP_BIND_ADDRESS_NO_PORT */, &one, sizeof one);
  // From many addresses, so that ports suffice.
  struct sockaddr_in from = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(0x7f010000 | (getpid() & 0xff) << 8 | (2 + i / 4000))};
  struct sockaddr_in to = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK), .sin_port = htons(ports[i % port_count])};
  if (bind(p->fd, (void *)&from, sizeof from)) die("bind", "", 0);
  if (connect(p->fd, (void *)&to, sizeof to)) die("connect", "", 0);
  fcntl(p->fd, F_SETFL, O_NONBLOCK);
  watch(i, EPOLL_CTL_ADD);
}
static void login_more(void);
static void login_done(int i) {
  peers[i].logged_in = true;
  logged_in++;
  waiting_logins--;
  add(&latency, now() - login_at[i]);
}
static void login_more(void) {
  while (next_login < count && waiting_logins < AHEAD) {
    int i = next_login++;
    login_at[i] = now();
    dial(i);
    waiting_logins++;
    if (strcmp(peers[i].token, "-") == 0) {
      login_done(i);
      continue;
    }
    char line[256];
    send_bytes(i, line, snprintf(line, sizeof line, "{\"msgid\":1,\"proto\":%d,\"id\":%ld,\"token\":\"%s\"}\n", proto, peers[i].id, peers[i].token));
  }
  if (logged_in < count || login_began == 0) return;
  double took = now() - login_began;
  printf("{\"count\":%d,\"seconds\":%.4f,\"load\":%.3f,\"p50_us\":%ld,\"p99_us\":%ld}\n", count, took,
         (seconds(CLOCK_PROCESS_CPUTIME_ID) - own_from) / took, percentile(&latency, .5), percentile(&latency, .99));
  login_began = 0;
}
static void login(void) {
  memset(&latency, 0, sizeof latency);
  next_login = logged_in = waiting_logins = 0;
  login_began = now();
  own_from = seconds(CLOCK_PROCESS_CPUTIME_ID);
  login_more();
}
static void drop(void) {
  for (int i = 0; i < count; i++) {
    close(peers[i].fd);
    free(peers[i].in);
    free(peers[i].out);
    Peer fresh = {.fd = -1, .stream = peers[i].stream, .id = peers[i].id};
    memcpy(fresh.token, peers[i].token, sizeof fresh.token);
    peers[i] = fresh;
  }
  printf("{}\n");
}

static void send_messages(Stream *s, int n) {
  double t = now();
  for (int k = 0; k < n; k++) s->sent_at[(s->head + s->in_flight + k) % window] = t;
  s->in_flight += n;
  in_flight += n;
  send_bytes(s->from, s->block, n * s->line);
}
static void confirm(Peer *p) {
  if (p->seq == p->confirmed) return;
  char line[64];
  p->confirmed = p->seq;
  send_bytes(p - peers, line, snprintf(line, sizeof line, "{\"msgid\":12,\"seq\":%ld}\n", p->seq));
}
static void run(double warm, double length) {
  memset(&latency, 0, sizeof latency);
  memset(&probe, 0, sizeof probe);
  for (int k = 0; k < stream_count; k++) streams[k].delivered = 0;
  total = measured = 0;
  running = sending = true;
  measuring = false;
  probe_next = now();
  probe_sent = 0;
  measure_from = probe_next + warm;
  measure_for = length;
  for (int k = 0; k < stream_count; k++) send_messages(&streams[k], window);
}
static void run_ended(void) {
  running = false;
  for (int i = 0; i < count; i++) confirm(&peers[i]);
  long least = streams[0].delivered, most = 0;
  for (int k = 0; k < stream_count; k++) {
    if (streams[k].delivered < least) least = streams[k].delivered;
    if (streams[k].delivered > most) most = streams[k].delivered;
  }
  printf("{\"rate\":%.0f,\"p50_us\":%ld,\"p99_us\":%ld,\"total\":%ld,\"load\":%.3f,\"least\":%ld,\"most\":%ld,\"probe_p50_us\":%ld,\"probe_max_us\":%.0f}\n",
         measured / span, percentile(&latency, .5), percentile(&latency, .99), total, busy / span, least, most, percentile(&probe, .5), probe.longest * 1e6);
}
// What the clock decides during a run.
static void tick(double t, bool spinning) {
  if (sending && !measuring && t >= measure_from) {
    measuring = true;
    measure_from = t;
    own_from = seconds(CLOCK_PROCESS_CPUTIME_ID);
    busy = 0;
  } else if (measuring && t >= measure_from + measure_for) {  // from when it began in truth: on a busy machine nobody may have looked for long
    sending = measuring = false;
    span = t - measure_from;
    if (!spinning) busy = seconds(CLOCK_PROCESS_CPUTIME_ID) - own_from;
  }
  if (sending && with_probe && probe_sent == 0 && t >= probe_next) {
    probe_sent = now();
    send_bytes(count - 1, "{\"msgid\":13}\n", 13);
  }
  if (!sending && in_flight == 0 && probe_sent == 0) run_ended();
}

static void delivered(Peer *p, long n) {
  if (p->stream < 0 || n == 0) return;
  Stream *s = &streams[p->stream];
  if (s->in_flight == 0) return;  // left over from before
  total += n;
  if (measuring) measured += n, s->delivered += n;
  int done = 0;
  double t = now();
  for (s->got += n; s->got >= s->receivers && s->in_flight > 0; s->got -= s->receivers) {
    if (measuring) add(&latency, t - s->sent_at[s->head]);
    s->head = (s->head + 1) % window;
    s->in_flight--;
    in_flight--;
    done++;
  }
  if (sending && done > 0) send_messages(s, done);
}
// A line that is no delivery.
static void other(Peer *p, const char *line, size_t size) {
  if (!p->logged_in && memmem(line, size, "\"errno\":0", 9) && memmem(line, size, "\"msgid\":2,", 10)) {
    login_done(p - peers);
    login_more();
  } else if (memmem(line, size, "\"msgid\":13", 10)) send_bytes(p - peers, "{\"msgid\":14}\n", 13);
  else if (memmem(line, size, "\"msgid\":14", 10) && probe_sent > 0) {
    double t = now();
    if (measuring) add(&probe, t - probe_sent);
    probe_sent = 0;
    probe_next = t + PROBE_US * 1e-6;
  } else if (memmem(line, size, "\"errno\":", 8)) die("refused", line, size);
}
static void receive(int i) {
  Peer *p = &peers[i];
  if (p->fd < 0) return;  // dropped since epoll told of it
  if (p->in_size > 0) memcpy(input, p->in, p->in_size);
  ssize_t n = read(p->fd, input + p->in_size, sizeof input - p->in_size);
  if (n < 0 && errno == EAGAIN) return;
  if (n <= 0) die("the server closed a connection", input, p->in_size);
  char *end = input + p->in_size + n, *from = input, *at;
  size_t mark_size = strlen(mark);
  long messages = 0;
  for (; (at = memchr(from, '\n', end - from)); from = at + 1) {
    if ((size_t)(at - from) < mark_size || memcmp(from, mark, mark_size) != 0) {
      other(p, from, at - from);
      continue;
    }
    messages++;
    char *seq = kind == 21 ? NULL : memmem(from, at - from, "\"seq\":", 6);
    if (seq) p->seq = atol(seq + 6);
  }
  p->in_size = end - from;
  if (p->in_size > 0) memcpy(p->in = realloc(p->in, p->in_size), from, p->in_size);
  if (p->seq - p->confirmed >= CONFIRM) confirm(p);
  delivered(p, messages);
}

static void add_stream(int from, int receivers, const char *key, long to) {
  Stream *s = &streams[stream_count++];
  char line[LINE + 1];
  int n = snprintf(line, sizeof line, "{\"msgid\":%d,\"%s\":%ld,\"msg\":\"", kind, key, to);
  while (n < LINE - 3) line[n] = 'a' + n % 26, n++;
  memcpy(line + n, "\"}\n", 3);
  *s = (Stream){.from = from, .receivers = receivers, .line = LINE, .sent_at = calloc(window, sizeof(double)), .block = malloc(window * LINE)};
  for (int k = 0; k < window; k++) memcpy(s->block + k * LINE, line, LINE);
}
static void read_users(void) {
  char line[256];
  int room = 0;
  while (fgets(line, sizeof line, stdin) && line[0] != '\n') {
    if (count == room) peers = realloc(peers, (room = 2 * room + 64) * sizeof(Peer));
    peers[count] = (Peer){.fd = -1, .stream = -1};
    if (sscanf(line, "%ld %127s", &peers[count].id, peers[count].token) != 2) die("not a user", line, strlen(line));
    count++;
  }
  login_at = calloc(count, sizeof(double));
  streams = calloc(count / 2 + 1, sizeof(Stream));
  int talking = count - with_probe;
  if (group >= 0) {
    add_stream(0, talking - 1, "groupid", group);
    for (int i = 1; i < talking; i++) peers[i].stream = 0;
  } else
    for (int i = 0; i + 2 * devices <= talking; i += 2 * devices) {
      int first = devices > 1 ? i : i + 1;  // with several devices one's own come back to all of them
      for (int k = first; k < i + 2 * devices; k++) peers[k].stream = stream_count;
      add_stream(i, i + 2 * devices - first, "toid", peers[i + devices].id);
    }
}
static void command(void) {
  char line[64];
  double warm, length;
  if (!fgets(line, sizeof line, stdin)) exit(0);
  if (strcmp(line, "login\n") == 0) login();
  else if (strcmp(line, "drop\n") == 0) drop();
  else if (sscanf(line, "run %lf %lf", &warm, &length) == 2) run(warm / 1e3, length / 1e3);
  else die("unknown command", line, strlen(line));
}

int main(int argc, char **argv) {
  for (int o; (o = getopt(argc, argv, "p:m:v:d:w:g:ic:")) != -1;) {
    if (o == 'p') { for (char *at = strtok(optarg, ","); at && port_count < 16; at = strtok(NULL, ",")) ports[port_count++] = atoi(at); }
    else if (o == 'm') kind = atoi(optarg);
    else if (o == 'v') proto = atoi(optarg);
    else if (o == 'd') devices = atoi(optarg);
    else if (o == 'w') window = atoi(optarg);
    else if (o == 'g') group = atol(optarg);
    else if (o == 'i') with_probe = true;
    else if (o == 'c') {
      cpu_set_t set;
      CPU_ZERO(&set);
      CPU_SET(atoi(optarg), &set);
      sched_setaffinity(0, sizeof set, &set);
    } else return 2;
  }
  signal(SIGPIPE, SIG_IGN);
  setvbuf(stdout, NULL, _IOLBF, 0);
  struct rlimit files;
  getrlimit(RLIMIT_NOFILE, &files);
  files.rlim_cur = files.rlim_max;
  setrlimit(RLIMIT_NOFILE, &files);
  snprintf(mark, sizeof mark, "{\"msgid\":%d,", kind);
  // Unbuffered, so that epoll tells of every command.
  setvbuf(stdin, NULL, _IONBF, 0);
  read_users();
  epoll = epoll_create1(0);
  struct epoll_event e = {.events = EPOLLIN, .data.fd = STDIN}, events[1024];
  epoll_ctl(epoll, EPOLL_CTL_ADD, 0, &e);
  // With a single message in flight it waits for it in a loop: to be woken takes longer than the message.
  bool spinning = stream_count * window == 1 && group < 0;
  for (double since = 0;;) {
    if (spinning && since > 0) busy += now() - since;
    int n = epoll_wait(epoll, events, 1024, !running ? -1 : spinning ? 0 : 1);
    since = n > 0 ? now() : 0;
    for (int k = 0; k < n; k++) {
      int i = events[k].data.fd;
      if (i == STDIN) command();
      else {
        if (events[k].events & EPOLLOUT) send_on(i);
        if (events[k].events & (EPOLLIN | EPOLLHUP | EPOLLERR)) receive(i);
      }
    }
    if (running) tick(now(), spinning);
  }
}
