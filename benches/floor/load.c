/*
 * A closed-loop load generator for the framed echo protocol, on one thread and one epoll set.
 *
 * `pingpong`: every connection keeps `depth` requests under way and sends a new one for each reply.
 * `churn`: every slot connects, has one request answered, closes, and starts again.
 *
 * Every reply is compared byte for byte. A request's text begins with its connection and sequence
 * number, so a reply that is late, doubled, or meant for another connection is noticed.
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
#define STAMP_LEN 16 /* hexadecimal digits: 8 of the connection, 8 of the sequence number */
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
} options = {.connections = 64, .depth = 1, .size = 32, .seconds = 2, .warmup_seconds = 0.5};

struct connection {
    int fd;
    enum { IDLE, ACTIVE } role;
    uint32_t id;
    uint64_t sent, received;             /* whole frames */
    size_t request_offset, reply_offset; /* bytes of the frame that is half-way */
    uint64_t received_before_window;
};

static int epoll_fd;
static clockid_t server_cpu_clock;
static char *request, *reply; /* one frame of each, stamped anew for each use */
static size_t request_len, reply_len;
static char *outgoing, *incoming;
static uint64_t requests_done, errors;

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

/* A text shorter than the stamp gets the stamp's last, fastest changing digits. */
static void stamp(char *text, uint32_t id, uint64_t sequence)
{
    static const char HEX[] = "0123456789abcdef";
    uint64_t number = (uint64_t)id << 32 | (uint32_t)sequence;
    size_t len = options.size < STAMP_LEN ? options.size : STAMP_LEN;
    for (size_t i = len; i-- > 0; number >>= 4)
        text[i] = HEX[number & 15];
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
static void send_requests(struct connection *c)
{
    size_t count = options.depth - (size_t)(c->sent - c->received);
    if (count == 0)
        return;
    for (size_t i = 0; i < count; i++) {
        stamp(request + HEADER_LEN + COMMAND_LEN, c->id, c->sent + i);
        memcpy(outgoing + i * request_len, request, request_len);
    }
    size_t len = count * request_len - c->request_offset;
    ssize_t n = send(c->fd, outgoing + c->request_offset, len, MSG_DONTWAIT | MSG_NOSIGNAL);
    if (n < 0 && errno != EAGAIN) {
        fail(c, strerror(errno));
        return;
    }
    size_t progress = c->request_offset + (n > 0 ? (size_t)n : 0);
    c->sent += progress / request_len;
    c->request_offset = progress % request_len;
    if (n < (ssize_t)len)
        watch(c, EPOLL_CTL_MOD, EPOLLIN | EPOLLOUT);
}

static bool replies_match(struct connection *c, const char *bytes, size_t len)
{
    while (len > 0) {
        size_t part = reply_len - c->reply_offset < len ? reply_len - c->reply_offset : len;
        stamp(reply + HEADER_LEN, c->id, c->received);
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
        if (!replies_match(c, incoming, (size_t)n)) {
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
        send_requests(c);
}

static void serve(struct connection *c, uint32_t events)
{
    uint64_t received_before = c->received;

    receive_replies(c);
    if (c->fd == CLOSED)
        return;
    if (events & (EPOLLRDHUP | EPOLLHUP | EPOLLERR)) {
        fail(c, "closed by the server");
    } else if (options.mode == CHURN && c->received > received_before) {
        close(c->fd);
        start(c);
    } else if (c->role == ACTIVE) {
        send_requests(c);
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
    if (connections == NULL)
        die("calloc");
    for (size_t i = 0; i < total; i++) {
        size_t active_up_to_here = (i + 1) * options.connections / total;
        size_t active_before = i * options.connections / total;
        connections[i].id = (uint32_t)i;
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
    printf("}\n");
    free(connections);
}

static void usage(void)
{
    fprintf(stderr,
            "usage: load --port PORT [--mode pingpong|churn] [--connections N] [--depth N]\n"
            "            [--size BYTES] [--idle N] [--seconds S] [--warmup S] [--pid SERVER]\n"
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
    measure();
    return errors > 0 || requests_done == 0 ? 1 : 0;
}
