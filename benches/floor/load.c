/*
 * A closed-loop load generator for the framed echo protocol, on one thread and one epoll set.
 *
 * `pingpong`: every connection keeps `depth` requests under way and sends a new one for each reply.
 * `churn`: every slot connects, has one request answered, closes, and starts again.
 *
 * Every reply is compared byte for byte. A request's text begins with its connection and sequence
 * number, so a reply that is late, doubled, or meant for another connection is noticed. With
 * `--no-verify` all requests are the same and replies are only counted: what that saves is the price
 * of knowing.
 *
 * `--latency` adds a histogram of the time from each request to its reply. The clock is read once a
 * readiness event: all that one event brings and causes has the same time.
 *
 * Sockets close with SO_LINGER 0, which sends RST and leaves no TIME_WAIT: to one address and port
 * there are only about 28,000 local ports, and churn would use them up in a second. The reply has
 * been read in full by then, so the reset destroys nothing.
 *
 * Prints one line of JSON. Exits 0, or 1 if any connection failed, 2 on bad usage. The whole run is
 * bounded in time by an alarm.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <endian.h>
#include <errno.h>
#include <getopt.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define HEADER_LEN 64
#define ECHO_COMMAND "ECHO "
#define COMMAND_LEN (sizeof ECHO_COMMAND - 1)
#define NUMBER_LEN 16 /* hexadecimal digits of a 64-bit number */
#define STAMP_LEN (2 * NUMBER_LEN) /* the connection's number, then the request's */
#define RECV_LEN (256 * 1024)
#define EVENTS_PER_WAIT 512
#define LONGEST_WAIT_MS 100 /* so that a silent server cannot outstay the deadline */
#define SETUP_ALLOWANCE_S 30
#define CLOSED (-1)

static struct {
    int port, server_pid;
    size_t connections, idle, depth, size;
    double seconds, warmup_seconds;
    enum { PINGPONG, CHURN } mode;
    bool verify, latency;
} options = {.connections = 64, .depth = 1, .size = 32, .seconds = 2, .warmup_seconds = 0.5,
             .verify = true};

struct connection {
    int fd;
    enum { IDLE, ACTIVE } role;
    uint32_t id;
    char id_digits[NUMBER_LEN];
    uint64_t sent, received;             /* whole frames */
    size_t request_offset, reply_offset; /* bytes of the frame that is half-way */
    uint64_t received_before_window;
    uint64_t *sent_at_ns; /* of the requests under way, by sequence number modulo depth */
};

static int epoll_fd;
static clockid_t server_cpu_clock;
static char *request, *reply; /* one frame of each, stamped anew for each use */
static size_t request_len, reply_len;
static char *outgoing, *incoming;
static uint64_t requests_done, errors;

/*
 * Times in nanoseconds: exact below 2^(PRECISION_BITS + 1), above that in 2^PRECISION_BITS buckets
 * for each doubling, so that a bucket is never wider than 0.1 % of its value.
 */
#define PRECISION_BITS 10
#define LONGEST_BITS 42 /* 73 minutes: more than any run lasts */
#define BUCKETS ((LONGEST_BITS - PRECISION_BITS + 1) << PRECISION_BITS)
static uint64_t histogram[BUCKETS];

static void die(const char *what)
{
    perror(what);
    exit(1);
}

static void out_of_time(int signal_number)
{
    static const char MESSAGE[] = "load: not finished in time: is the server accepting?\n";
    (void)signal_number;
    if (write(STDERR_FILENO, MESSAGE, sizeof MESSAGE - 1) < 0)
        _exit(3);
    _exit(1);
}

static double seconds_on(clockid_t clock)
{
    struct timespec t;
    if (clock_gettime(clock, &t) < 0)
        die("clock_gettime");
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static char *new_frame(const char *command, size_t *frame_len)
{
    size_t body_len = strlen(command) + options.size;
    char *frame = malloc(HEADER_LEN + body_len + 1);
    if (frame == NULL)
        die("malloc");
    int text_at = sprintf(frame, "%-*zu%s", HEADER_LEN, body_len, command);
    for (size_t i = 0; i < options.size; i++)
        frame[(size_t)text_at + i] = (char)('a' + i % 26);
    *frame_len = HEADER_LEN + body_len;
    return frame;
}

static uint64_t monotonic_ns(void)
{
    struct timespec t;
    if (clock_gettime(CLOCK_MONOTONIC, &t) < 0)
        die("clock_gettime");
    return (uint64_t)t.tv_sec * 1000000000 + (uint64_t)t.tv_nsec;
}

static void record(uint64_t ns)
{
    int highest_bit = 63 - __builtin_clzll(ns | 1);
    int shift = highest_bit > PRECISION_BITS ? highest_bit - PRECISION_BITS : 0;
    uint64_t bucket = ((uint64_t)shift << PRECISION_BITS) + (ns >> shift);
    histogram[bucket < BUCKETS ? bucket : BUCKETS - 1]++;
}

/* The highest time of the bucket that the quantile falls into, in microseconds. */
static double percentile_us(double quantile, uint64_t total)
{
    uint64_t bucket = 0, seen = histogram[0];
    while ((double)seen < quantile * (double)total && bucket < BUCKETS - 1)
        seen += histogram[++bucket];
    uint64_t shift = bucket >> PRECISION_BITS ? (bucket >> PRECISION_BITS) - 1 : 0;
    uint64_t lowest = (bucket - (shift << PRECISION_BITS)) << shift;
    return (double)(lowest + (1ull << shift) - 1) / 1e3;
}

/* All eight digits at once: a nibble into each byte, then the byte into its digit. */
static void write_eight_digits(char *digits, uint32_t number)
{
    uint64_t x = number;
    x = (x | x << 16) & 0x0000ffff0000ffff;
    x = (x | x << 8) & 0x00ff00ff00ff00ff;
    x = (x | x << 4) & 0x0f0f0f0f0f0f0f0f;
    uint64_t letters = (x + 0x0606060606060606) >> 4 & 0x0101010101010101;
    x = htobe64(x + 0x3030303030303030 + letters * ('a' - '0' - 10));
    memcpy(digits, &x, sizeof x);
}

static void write_hex(char digits[NUMBER_LEN], uint64_t number)
{
    write_eight_digits(digits, (uint32_t)(number >> 32));
    write_eight_digits(digits + NUMBER_LEN / 2, (uint32_t)number);
}

/* A text shorter than the stamp gets the stamp's last, fastest changing digits. */
static void stamp(char *text, const struct connection *c, uint64_t sequence)
{
    if (options.size >= STAMP_LEN) {
        memcpy(text, c->id_digits, NUMBER_LEN);
        write_hex(text + NUMBER_LEN, sequence);
    } else {
        char whole[STAMP_LEN];
        memcpy(whole, c->id_digits, NUMBER_LEN);
        write_hex(whole + NUMBER_LEN, sequence);
        memcpy(text, whole + STAMP_LEN - options.size, options.size);
    }
}

static void fail(struct connection *c, const char *why)
{
    if (errors++ == 0)
        fprintf(stderr, "load: connection %u, reply %llu: %s\n", c->id,
                (unsigned long long)c->received, why);
    close(c->fd);
    c->fd = CLOSED;
}

/* A blocking connect returns a socket that is ready for use; later calls pass MSG_DONTWAIT. */
static int connect_to_server(void)
{
    static const struct linger reset_on_close = {.l_onoff = 1, .l_linger = 0};
    static const int on = 1;
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((uint16_t)options.port)};
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);

    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0)
        die("socket");
    if (setsockopt(fd, SOL_SOCKET, SO_LINGER, &reset_on_close, sizeof reset_on_close) < 0 ||
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on) < 0)
        die("setsockopt");
    if (connect(fd, (struct sockaddr *)&address, sizeof address) < 0)
        die("connect");
    return fd;
}

static void watch(struct connection *c, int operation, uint32_t events)
{
    struct epoll_event event = {.events = events | EPOLLRDHUP | EPOLLET, .data.ptr = c};
    if (epoll_ctl(epoll_fd, operation, c->fd, &event) < 0)
        die("epoll_ctl");
}

/* Sends what is missing to `depth` requests under way, in one call. */
static void send_requests(struct connection *c, uint64_t now_ns)
{
    size_t count = options.depth - (size_t)(c->sent - c->received);
    if (count == 0)
        return;
    for (size_t i = 0; options.verify && i < count; i++) {
        stamp(request + HEADER_LEN + COMMAND_LEN, c, c->sent + i);
        memcpy(outgoing + i * request_len, request, request_len);
    }
    size_t len = count * request_len - c->request_offset;
    ssize_t n = send(c->fd, outgoing + c->request_offset, len, MSG_DONTWAIT | MSG_NOSIGNAL);
    if (n < 0 && errno != EAGAIN) {
        fail(c, strerror(errno));
        return;
    }
    size_t progress = c->request_offset + (n > 0 ? (size_t)n : 0);
    for (size_t i = 0; options.latency && i < progress / request_len; i++)
        c->sent_at_ns[(c->sent + i) % options.depth] = now_ns;
    c->sent += progress / request_len;
    c->request_offset = progress % request_len;
    if (n < (ssize_t)len)
        watch(c, EPOLL_CTL_MOD, EPOLLIN | EPOLLOUT);
}

static bool replies_match(struct connection *c, const char *bytes, size_t len)
{
    while (len > 0) {
        size_t part = reply_len - c->reply_offset < len ? reply_len - c->reply_offset : len;
        stamp(reply + HEADER_LEN, c, c->received);
        if (c->received == c->sent || memcmp(bytes, reply + c->reply_offset, part) != 0)
            return false;
        bytes += part;
        len -= part;
        c->reply_offset += part;
        if (c->reply_offset == reply_len) {
            c->reply_offset = 0;
            c->received++;
            requests_done++;
        }
    }
    return true;
}

static bool count_replies(struct connection *c, size_t len)
{
    size_t progress = c->reply_offset + len;
    c->received += progress / reply_len;
    requests_done += progress / reply_len;
    c->reply_offset = progress % reply_len;
    return c->received <= c->sent;
}

static void receive_replies(struct connection *c)
{
    ssize_t n;
    do {
        n = recv(c->fd, incoming, RECV_LEN, MSG_DONTWAIT);
        if (n < 0 && errno == EAGAIN)
            return;
        if (n <= 0) {
            fail(c, n == 0 ? "closed by the server" : strerror(errno));
            return;
        }
        if (options.verify ? !replies_match(c, incoming, (size_t)n)
                           : !count_replies(c, (size_t)n)) {
            fail(c, "the reply is not what was sent");
            return;
        }
    } while (n == RECV_LEN); /* a short read: the kernel has no more */
}

static void start(struct connection *c)
{
    c->fd = connect_to_server();
    c->sent = c->received;
    c->request_offset = c->reply_offset = 0;
    watch(c, EPOLL_CTL_ADD, EPOLLIN);
    if (c->role == ACTIVE)
        send_requests(c, options.latency ? monotonic_ns() : 0);
}

static void serve(struct connection *c, uint32_t events)
{
    uint64_t received_before = c->received;
    uint64_t now_ns = options.latency ? monotonic_ns() : 0;

    receive_replies(c);
    for (uint64_t i = received_before; options.latency && i < c->received; i++)
        record(now_ns - c->sent_at_ns[i % options.depth]);
    if (c->fd == CLOSED)
        return;
    if (events & (EPOLLRDHUP | EPOLLHUP | EPOLLERR)) {
        fail(c, "closed by the server");
    } else if (options.mode == CHURN && c->received > received_before) {
        close(c->fd);
        start(c);
    } else if (c->role == ACTIVE) {
        send_requests(c, now_ns);
    }
}

static void run_until(double deadline)
{
    struct epoll_event ready[EVENTS_PER_WAIT];
    while (seconds_on(CLOCK_MONOTONIC) < deadline) {
        int count = epoll_wait(epoll_fd, ready, EVENTS_PER_WAIT, LONGEST_WAIT_MS);
        if (count < 0 && errno != EINTR)
            die("epoll_wait");
        for (int i = 0; i < count; i++)
            serve(ready[i].data.ptr, ready[i].events);
    }
}

/*
 * Opens idle and active connections in turn, as they would be mixed in a real table. The last is
 * active, and servers accept in order: once it is answered, all the idle ones have been accepted.
 */
static struct connection *open_connections(size_t total)
{
    struct connection *connections = calloc(total, sizeof *connections);
    uint64_t *sent_at_ns = calloc(total, options.depth * sizeof *sent_at_ns);
    if (connections == NULL || sent_at_ns == NULL)
        die("calloc");
    for (size_t i = 0; i < total; i++) {
        size_t active_up_to_here = (i + 1) * options.connections / total;
        size_t active_before = i * options.connections / total;
        connections[i].id = (uint32_t)i;
        write_hex(connections[i].id_digits, i);
        connections[i].sent_at_ns = sent_at_ns + i * options.depth;
        connections[i].role = active_up_to_here > active_before ? ACTIVE : IDLE;
        start(&connections[i]);
    }
    return connections;
}

/* An edge lost by the server shows as a connection that others pass by. */
static void count_stalled_as_failed(struct connection *connections, size_t total)
{
    for (struct connection *c = connections; c < connections + total; c++)
        if (c->role == ACTIVE && c->fd != CLOSED && c->received == c->received_before_window)
            fail(c, "no reply in the whole window");
}

static void measure(void)
{
    size_t total = options.connections + options.idle;
    struct connection *connections = open_connections(total);
    run_until(seconds_on(CLOCK_MONOTONIC) + options.warmup_seconds);

    for (size_t i = 0; i < total; i++)
        connections[i].received_before_window = connections[i].received;
    memset(histogram, 0, sizeof histogram);
    uint64_t done_before = requests_done;
    double server_cpu = options.server_pid ? seconds_on(server_cpu_clock) : 0;
    double own_cpu = seconds_on(CLOCK_PROCESS_CPUTIME_ID);
    double began = seconds_on(CLOCK_MONOTONIC);
    run_until(began + options.seconds);
    double elapsed = seconds_on(CLOCK_MONOTONIC) - began;
    own_cpu = seconds_on(CLOCK_PROCESS_CPUTIME_ID) - own_cpu;
    server_cpu = options.server_pid ? seconds_on(server_cpu_clock) - server_cpu : 0;
    uint64_t requests = requests_done - done_before;
    count_stalled_as_failed(connections, total);

    printf("{\"requests\": %llu, \"elapsed_s\": %.6f, \"errors\": %llu, \"cpu_s\": %.6f",
           (unsigned long long)requests, elapsed, (unsigned long long)errors, own_cpu);
    if (options.server_pid && requests > 0)
        printf(", \"server_cpu_s\": %.6f, \"server_cpu_us_per_request\": %.4f", server_cpu,
               server_cpu * 1e6 / (double)requests);
    if (options.latency)
        printf(", \"p50_us\": %.3f, \"p99_us\": %.3f", percentile_us(0.5, requests),
               percentile_us(0.99, requests));
    printf("}\n");
    free(connections[0].sent_at_ns);
    free(connections);
}

static void usage(void)
{
    fprintf(stderr,
            "usage: load --port PORT [--mode pingpong|churn] [--connections N] [--depth N]\n"
            "            [--size BYTES] [--idle N] [--seconds S] [--warmup S] [--pid SERVER]\n"
            "            [--no-verify] [--latency]\n"
            "--no-verify sends always the same and only counts what comes.\n"
            "--latency adds percentiles of the time from request to reply.\n"
            "--pid adds the CPU time that the server process spent in the measured window.\n");
    exit(2);
}

static double number_between(double low, double high)
{
    char *end;
    double value = strtod(optarg, &end);
    if (end == optarg || *end != '\0' || !(value >= low && value <= high)) {
        fprintf(stderr, "load: %s is not a number from %g to %g\n", optarg, low, high);
        usage();
    }
    return value;
}

static void parse_options(int argc, char **argv)
{
    static const struct option NAMES[] = {
        {"port", required_argument, NULL, 'p'},
        {"mode", required_argument, NULL, 'm'},
        {"connections", required_argument, NULL, 'c'},
        {"depth", required_argument, NULL, 'd'},
        {"size", required_argument, NULL, 's'},
        {"idle", required_argument, NULL, 'i'},
        {"seconds", required_argument, NULL, 't'},
        {"warmup", required_argument, NULL, 'w'},
        {"pid", required_argument, NULL, 'P'},
        {"no-verify", no_argument, NULL, 'n'},
        {"latency", no_argument, NULL, 'l'},
        {NULL, 0, NULL, 0}};
    int name;

    while ((name = getopt_long(argc, argv, "", NAMES, NULL)) != -1) {
        switch (name) {
        case 'p': options.port = (int)number_between(1, UINT16_MAX); break;
        case 'c': options.connections = (size_t)number_between(1, 1e6); break;
        case 'd': options.depth = (size_t)number_between(1, 1e4); break;
        case 's': options.size = (size_t)number_between(0, 1e7); break;
        case 'i': options.idle = (size_t)number_between(0, 1e6); break;
        case 't': options.seconds = number_between(0.01, 3600); break;
        case 'w': options.warmup_seconds = number_between(0, 60); break;
        case 'P': options.server_pid = (int)number_between(1, 1 << 30); break;
        case 'n': options.verify = false; break;
        case 'l': options.latency = true; break;
        case 'm':
            if (strcmp(optarg, "pingpong") != 0 && strcmp(optarg, "churn") != 0)
                usage();
            options.mode = strcmp(optarg, "churn") == 0 ? CHURN : PINGPONG;
            break;
        default: usage();
        }
    }
    if (optind != argc || options.port == 0)
        usage();
    if (options.mode == CHURN)
        options.depth = 1;
}

int main(int argc, char **argv)
{
    parse_options(argc, argv);
    signal(SIGALRM, out_of_time);
    alarm((unsigned)(options.warmup_seconds + options.seconds) + SETUP_ALLOWANCE_S);

    if (options.server_pid) {
        /* This clock covers every thread, in nanoseconds; /proc/PID/stat ticks in 10 ms. */
        int error = clock_getcpuclockid(options.server_pid, &server_cpu_clock);
        if (error != 0) {
            fprintf(stderr, "load: cpu clock of process %d: %s\n", options.server_pid,
                    strerror(error));
            return 1;
        }
    }
    epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    if (epoll_fd < 0)
        die("epoll_create1");
    request = new_frame(ECHO_COMMAND, &request_len);
    reply = new_frame("", &reply_len);
    outgoing = malloc(options.depth * request_len);
    incoming = malloc(RECV_LEN);
    if (outgoing == NULL || incoming == NULL)
        die("malloc");
    for (size_t i = 0; i < options.depth; i++)
        memcpy(outgoing + i * request_len, request, request_len);
    measure();
    return errors > 0 || requests_done == 0 ? 1 : 0;
}
