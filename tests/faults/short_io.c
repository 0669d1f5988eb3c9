/* Preloaded into a program: its sockets take and give few bytes at a time, and say now and then that
 * they were interrupted or have nothing.
 *
 * The kernel never says EAGAIN, or gives less than was there, and leaves it at that: when the rest comes,
 * edge-triggered epoll tells of it. So whenever something is held back here, the socket is registered
 * anew (EPOLL_CTL_MOD with the events that it had), which has the kernel look again and tell what it
 * finds, epoll_ctl(2). To the program it is as if the rest had come a moment later. A short write needs
 * none of this: whoever writes on either succeeds or is told EAGAIN.
 *
 * SHORT_IO_SEED chooses what happens; SHORT_IO_COUNTS names a file
 * to which each process adds what happened. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

enum { MAX_FD = 65536 };

static ssize_t (*real_recv)(int, void *, size_t, int);
static ssize_t (*real_send)(int, const void *, size_t, int);
static int (*real_epoll_ctl)(int, int, int, struct epoll_event *);

static struct { int epoll; struct epoll_event event; } registered[MAX_FD];
static uint64_t state;
static unsigned long shortened, blocked, interrupted;

__attribute__((constructor)) static void begin(void)
{
    real_recv = (ssize_t (*)(int, void *, size_t, int))dlsym(RTLD_NEXT, "recv");
    real_send = (ssize_t (*)(int, const void *, size_t, int))dlsym(RTLD_NEXT, "send");
    real_epoll_ctl = (int (*)(int, int, int, struct epoll_event *))dlsym(RTLD_NEXT, "epoll_ctl");
    const char *seed = getenv("SHORT_IO_SEED");
    state = seed ? strtoull(seed, NULL, 10) + 1 : 1;
}

__attribute__((destructor)) static void end(void)
{
    const char *path = getenv("SHORT_IO_COUNTS");
    FILE *file = path ? fopen(path, "a") : NULL;
    if (file) {
        fprintf(file, "%lu %lu %lu\n", shortened, blocked, interrupted);
        fclose(file);
    }
}

/* SplitMix64. */
static uint64_t next_random(void)
{
    uint64_t z = (state += 0x9e3779b97f4a7c15);
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
    z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
    return z ^ (z >> 31);
}

int epoll_ctl(int epoll, int operation, int fd, struct epoll_event *event)
{
    int result = real_epoll_ctl(epoll, operation, fd, event);
    if (result == 0 && fd < MAX_FD && operation != EPOLL_CTL_DEL) {
        registered[fd].epoll = epoll;
        registered[fd].event = *event;
    }
    return result;
}

static void look_again(int fd)
{
    int saved = errno;
    if (fd < MAX_FD && registered[fd].epoll)
        real_epoll_ctl(registered[fd].epoll, EPOLL_CTL_MOD, fd, &registered[fd].event);
    errno = saved;
}

/* Whether the call fails before anything has happened, as one call in eight does. */
static int refused(int fd)
{
    switch (next_random() % 16) {
    case 0:
        interrupted++;
        errno = EINTR;
        return 1;
    case 1:
        blocked++;
        errno = EAGAIN;
        look_again(fd);
        return 1;
    default:
        return 0;
    }
}

/* Mostly few bytes, sometimes many, sometimes all. */
static size_t some_of(size_t length)
{
    size_t bound = next_random() % 4 ? 97 : 8191;
    size_t some = next_random() % 8 ? 1 + next_random() % bound : length;
    if (some >= length)
        return length;
    shortened++;
    return some;
}

ssize_t recv(int fd, void *into, size_t length, int flags)
{
    if (flags & MSG_PEEK || length == 0)
        return real_recv(fd, into, length, flags);
    if (refused(fd))
        return -1;
    size_t some = some_of(length);
    ssize_t count = real_recv(fd, into, some, flags);
    if (some < length && count > 0)
        look_again(fd);
    return count;
}

ssize_t send(int fd, const void *bytes, size_t length, int flags)
{
    if (length == 0)
        return real_send(fd, bytes, length, flags);
    if (refused(fd))
        return -1;
    return real_send(fd, bytes, some_of(length), flags);
}
