/*
 * The floor: the least that one thread can do and still echo frames correctly.
 *
 * A frame is a 64-byte header (the body's length in ASCII decimal digits, then spaces) and a body.
 * The body `ECHO text` is answered with a frame holding `text`; any other body with a fixed
 * acknowledgement. There are no limits, no timeouts and no statistics: whatever another server
 * costs above this program is the price of what it does besides.
 *
 * Invariant: a connection that epoll will not mention again has been read until the kernel had no
 * more to give, or has unsent output and asked to hear when it can be written.
 *
 * Usage: epoll_server PORT      (0 lets the kernel choose; prints "PORT <number>")
 */
#define _GNU_SOURCE
#include "buffer.h"
#include "frames.h"
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#define RECV_CHUNK (64 * 1024)
#define EVENTS_PER_WAIT 512
#define BACKLOG 65535 /* the kernel cuts this down to net.core.somaxconn */

/* Both buffers hold memory only while bytes wait in them, so an idle connection is this struct. */
struct connection {
    int fd;
    enum { READABLE, READABLE_AND_WRITABLE } interest;
    struct buffer unparsed; /* the beginning of a frame whose rest has not arrived */
    struct buffer unsent;   /* replies that the kernel has not taken yet */
};

static int epoll_fd;
/* Every connection reads into and answers from these two; only what is left over is copied out. */
static struct buffer input, output;

static void die(const char *what)
{
    perror(what);
    exit(1);
}

static void close_connection(struct connection *c)
{
    close(c->fd); /* also takes it out of the epoll set */
    release(&c->unparsed);
    release(&c->unsent);
    free(c);
}

static void append_reply(const char *body, size_t len)
{
    char *reply = reserve(&output, HEADER_LEN + len);
    write_header(reply, len);
    memcpy(reply + HEADER_LEN, body, len);
    output.end += HEADER_LEN + len;
}

/*
 * A request that stands alone becomes its reply where it lies: the text stays, the new header is
 * written over what came before it, and the buffers change places. This saves copying the text.
 */
static void turn_into_reply(struct buffer *in, size_t text_len)
{
    struct buffer empty = output;
    in->start = in->end - text_len - HEADER_LEN;
    write_header(in->bytes + in->start, text_len);
    output = *in;
    *in = empty;
}

/* Moves every whole frame out of `in` and its reply into `output`; false means a bad header. */
static bool answer_frames(struct buffer *in)
{
    while (waiting(in) >= HEADER_LEN) {
        const char *body = in->bytes + in->start + HEADER_LEN;
        size_t body_len;
        if (!decode_header(body - HEADER_LEN, &body_len))
            return false;
        if (waiting(in) - HEADER_LEN < body_len)
            break;
        in->start += HEADER_LEN + body_len;
        if (body_len < COMMAND_LEN || memcmp(body, ECHO_COMMAND, COMMAND_LEN) != 0)
            append_reply(ACKNOWLEDGEMENT, sizeof ACKNOWLEDGEMENT - 1);
        else if (waiting(in) == 0 && waiting(&output) == 0)
            turn_into_reply(in, body_len - COMMAND_LEN);
        else
            append_reply(body + COMMAND_LEN, body_len - COMMAND_LEN);
    }
    return true;
}

static void watch(struct connection *c, int operation, uint32_t events)
{
    struct epoll_event event = {.events = events | EPOLLRDHUP | EPOLLET, .data.ptr = c};
    if (epoll_ctl(epoll_fd, operation, c->fd, &event) < 0)
        die("epoll_ctl");
}

enum sent { ALL_SENT, BLOCKED, PEER_GONE };

/* A short write means that the socket is full: epoll will tell when there is room again. */
static enum sent send_waiting(struct connection *c, struct buffer *b)
{
    ssize_t n = send(c->fd, b->bytes + b->start, waiting(b), MSG_NOSIGNAL);
    if (n < 0 && errno != EAGAIN)
        return PEER_GONE;
    b->start += n > 0 ? (size_t)n : 0;
    return waiting(b) == 0 ? ALL_SENT : BLOCKED;
}

static enum sent send_output(struct connection *c)
{
    enum sent sent = waiting(&output) == 0 ? ALL_SENT : send_waiting(c, &output);
    if (sent == BLOCKED) {
        append(&c->unsent, output.bytes + output.start, waiting(&output));
        /* Asking for writability from the start would cost every new connection an event. */
        if (c->interest == READABLE)
            watch(c, EPOLL_CTL_MOD, EPOLLIN | EPOLLOUT);
        c->interest = READABLE_AND_WRITABLE;
    }
    output.start = output.end = 0;
    return sent;
}

/* Leaves an unfinished frame where the next read of this connection will continue it. */
static void keep_unparsed(struct connection *c, struct buffer *in)
{
    if (in == &input) {
        if (waiting(in) > 0)
            append(&c->unparsed, in->bytes + in->start, waiting(in));
        in->start = in->end = 0;
    } else if (waiting(in) == 0) {
        release(in);
    } else if (in->start > 0) {
        move_to_front(in);
    }
}

/*
 * Reads and answers until the kernel has nothing more. A short read proves that, and saves the call
 * that would fail with EAGAIN, unless the peer's FIN may share the edge with the data
 * (`read_to_end`): then only 0 or EAGAIN is proof.
 */
static void receive_and_answer(struct connection *c, bool read_to_end)
{
    for (;;) {
        struct buffer *in = waiting(&c->unparsed) > 0 ? &c->unparsed : &input;
        char *room = reserve(in, RECV_CHUNK);
        size_t room_len = in->capacity - in->end;
        ssize_t n = recv(c->fd, room, room_len, 0);
        if (n < 0 && errno == EAGAIN)
            return;
        if (n <= 0) {
            close_connection(c);
            return;
        }
        in->end += (size_t)n;
        bool well_formed = answer_frames(in);
        keep_unparsed(c, in);
        enum sent sent = send_output(c);
        if (!well_formed || sent == PEER_GONE) {
            close_connection(c);
            return;
        }
        if (sent == BLOCKED || ((size_t)n < room_len && !read_to_end))
            return;
    }
}

static void serve(struct connection *c, uint32_t events)
{
    if (events & (EPOLLERR | EPOLLHUP)) { /* reset: a reply could not be delivered */
        close_connection(c);
        return;
    }
    bool was_blocked = waiting(&c->unsent) > 0;
    if (was_blocked) {
        switch (send_waiting(c, &c->unsent)) {
        case PEER_GONE:
            close_connection(c);
            return;
        case BLOCKED:
            return;
        case ALL_SENT:
            release(&c->unsent);
        }
    }
    /* While it was blocked it did not read, so edges, even that of the FIN, have gone by unused. */
    receive_and_answer(c, was_blocked || (events & EPOLLRDHUP));
}

/*
 * One edge may stand for many waiting clients: accept until there is none. No request is read here:
 * a client that reconnects as soon as it is answered could keep this loop from ever ending.
 */
static void accept_waiting(int listener)
{
    for (;;) {
        int fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (fd < 0 && errno == EAGAIN)
            return;
        if (fd < 0 && (errno == ECONNABORTED || errno == EINTR))
            continue;
        if (fd < 0)
            die("accept4"); /* a yardstick that turns clients away measures nothing */
        struct connection *c = calloc(1, sizeof *c);
        if (c == NULL)
            die("calloc");
        c->fd = fd;
        watch(c, EPOLL_CTL_ADD, EPOLLIN);
    }
}

static int listen_on(uint16_t port)
{
    int on = 1;
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(port)};
    socklen_t address_len = sizeof address;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);

    int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0)
        die("socket");
    /* Linux hands the listener's TCP_NODELAY on to every connection that it accepts. */
    if (setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) < 0 ||
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on) < 0)
        die("setsockopt");
    if (bind(fd, (struct sockaddr *)&address, sizeof address) < 0)
        die("bind");
    if (listen(fd, BACKLOG) < 0)
        die("listen");
    if (getsockname(fd, (struct sockaddr *)&address, &address_len) < 0)
        die("getsockname");
    printf("PORT %d\n", ntohs(address.sin_port));
    fflush(stdout);
    return fd;
}

int main(int argc, char **argv)
{
    char *end = NULL;
    unsigned long port = argc == 2 ? strtoul(argv[1], &end, 10) : 0;
    if (end == NULL || end == argv[1] || *end != '\0' || port > UINT16_MAX) {
        fprintf(stderr, "usage: epoll_server PORT (0 to 65535; 0 lets the kernel choose)\n");
        return 2;
    }
    int listener = listen_on((uint16_t)port);
    epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    if (epoll_fd < 0)
        die("epoll_create1");
    /* No connection has a null pointer, so that is how the listener's events are known. */
    struct epoll_event arrivals = {.events = EPOLLIN | EPOLLET, .data.ptr = NULL};
    if (epoll_ctl(epoll_fd, EPOLL_CTL_ADD, listener, &arrivals) < 0)
        die("epoll_ctl");

    for (;;) {
        struct epoll_event ready[EVENTS_PER_WAIT];
        int count = epoll_wait(epoll_fd, ready, EVENTS_PER_WAIT, -1);
        if (count < 0 && errno != EINTR)
            die("epoll_wait");
        for (int i = 0; i < count; i++) {
            if (ready[i].data.ptr == NULL)
                accept_waiting(listener);
            else
                serve(ready[i].data.ptr, ready[i].events);
        }
    }
}
