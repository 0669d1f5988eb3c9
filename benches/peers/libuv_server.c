/*
 * The framed echo protocol on libuv: one loop, a handle a connection.
 *
 * Invariant: while a reply waits to be written, nothing is read from that connection, so that a
 * client which does not take its replies cannot make them pile up.
 *
 * Usage: libuv_server PORT
 */
#include "buffer.h"
#include "frames.h"
#include <uv.h>

#define READ_CHUNK (64 * 1024)
#define BACKLOG 65535 /* the kernel cuts this down to net.core.somaxconn */

struct connection {
    uv_tcp_t tcp; /* first, so that a pointer to the handle is one to the connection */
    uv_write_t write;
    struct buffer unparsed; /* the beginning of a frame whose rest has not arrived */
    struct buffer unsent;   /* replies that the kernel has not taken yet */
};

/* Every connection reads into and answers from these two; only what is left over is copied out. */
static struct buffer input, output;

static void must(int result, const char *what)
{
    if (result < 0) {
        fprintf(stderr, "libuv_server: %s: %s\n", what, uv_strerror(result));
        exit(1);
    }
}

static void on_closed(uv_handle_t *handle)
{
    struct connection *c = (struct connection *)handle;
    release(&c->unparsed);
    release(&c->unsent);
    free(c);
}

static void close_connection(struct connection *c)
{
    if (!uv_is_closing((uv_handle_t *)c))
        uv_close((uv_handle_t *)c, on_closed);
}

static void append_reply(const char *body, size_t len)
{
    char *reply = reserve(&output, HEADER_LEN + len);
    write_header(reply, len);
    memcpy(reply + HEADER_LEN, body, len);
    output.end += HEADER_LEN + len;
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
        else
            append_reply(body + COMMAND_LEN, body_len - COMMAND_LEN);
    }
    return true;
}

static struct buffer *input_of(struct connection *c)
{
    return waiting(&c->unparsed) > 0 ? &c->unparsed : &input;
}

static void offer_room(uv_handle_t *handle, size_t suggested, uv_buf_t *room)
{
    (void)suggested;
    char *start = reserve(input_of((struct connection *)handle), READ_CHUNK);
    *room = uv_buf_init(start, READ_CHUNK);
}

static void keep_unparsed(struct connection *c, struct buffer *in)
{
    if (in == &input) {
        if (waiting(in) > 0)
            append(&c->unparsed, in->bytes + in->start, waiting(in));
        in->start = in->end = 0;
    } else if (waiting(in) == 0) {
        release(in);
    } else {
        move_to_front(in);
    }
}

static void on_read(uv_stream_t *stream, ssize_t n, const uv_buf_t *room);

static void on_written(uv_write_t *write, int status)
{
    struct connection *c = write->data;
    release(&c->unsent);
    if (status < 0 || uv_read_start((uv_stream_t *)c, offer_room, on_read) < 0)
        close_connection(c);
}

/* What the kernel does not take at once is handed to libuv, and reading rests until it is gone. */
static bool send_output(struct connection *c)
{
    uv_stream_t *stream = (uv_stream_t *)c;
    uv_buf_t replies = uv_buf_init(output.bytes, (unsigned)waiting(&output));
    int sent = uv_try_write(stream, &replies, 1);
    if (sent == UV_EAGAIN)
        sent = 0;
    if (sent < 0)
        return false;
    if ((size_t)sent < waiting(&output)) {
        append(&c->unsent, output.bytes + sent, waiting(&output) - (size_t)sent);
        replies = uv_buf_init(c->unsent.bytes, (unsigned)waiting(&c->unsent));
        uv_read_stop(stream);
        c->write.data = c;
        return uv_write(&c->write, stream, &replies, 1, on_written) == 0;
    }
    return true;
}

static void on_read(uv_stream_t *stream, ssize_t n, const uv_buf_t *room)
{
    (void)room;
    struct connection *c = (struct connection *)stream;
    struct buffer *in = input_of(c);
    if (n < 0) { /* the end of the stream, or an error */
        close_connection(c);
        return;
    }
    in->end += (size_t)n;
    bool well_formed = answer_frames(in);
    keep_unparsed(c, in);
    bool sent = waiting(&output) == 0 || send_output(c);
    output.start = output.end = 0;
    if (!well_formed || !sent)
        close_connection(c);
}

static void on_connection(uv_stream_t *listener, int status)
{
    must(status, "listen");
    struct connection *c = calloc(1, sizeof *c);
    if (c == NULL)
        must(UV_ENOMEM, "calloc");
    must(uv_tcp_init(listener->loop, &c->tcp), "uv_tcp_init");
    if (uv_accept(listener, (uv_stream_t *)c) < 0 || uv_tcp_nodelay(&c->tcp, 1) < 0 ||
        uv_read_start((uv_stream_t *)c, offer_room, on_read) < 0)
        close_connection(c);
}

int main(int argc, char **argv)
{
    uv_tcp_t listener;
    struct sockaddr_in address;
    uv_loop_t *loop = uv_default_loop();

    if (argc != 2) {
        fprintf(stderr, "usage: libuv_server PORT\n");
        return 2;
    }
    must(uv_ip4_addr("127.0.0.1", atoi(argv[1]), &address), "address");
    must(uv_tcp_init(loop, &listener), "uv_tcp_init");
    must(uv_tcp_bind(&listener, (struct sockaddr *)&address, 0), "bind");
    must(uv_listen((uv_stream_t *)&listener, BACKLOG, on_connection), "listen");
    return uv_run(loop, UV_RUN_DEFAULT);
}
