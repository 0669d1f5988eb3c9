/* A growing array of bytes that is filled at its end and used up from its start. */
#ifndef BUFFER_H
#define BUFFER_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Bytes waiting to be used: those from `start` up to `end`. */
struct buffer {
    char *bytes;
    size_t start, end, capacity;
};

static inline size_t waiting(const struct buffer *b) { return b->end - b->start; }

static inline char *reserve(struct buffer *b, size_t room)
{
    if (b->capacity - b->end < room) {
        b->capacity = 2 * b->capacity > b->end + room ? 2 * b->capacity : b->end + room;
        b->bytes = realloc(b->bytes, b->capacity);
        if (b->bytes == NULL) {
            perror("realloc");
            exit(1);
        }
    }
    return b->bytes + b->end;
}

static inline void append(struct buffer *b, const char *bytes, size_t len)
{
    memcpy(reserve(b, len), bytes, len);
    b->end += len;
}

static inline void release(struct buffer *b)
{
    free(b->bytes);
    *b = (struct buffer){0};
}

/* Makes the waiting bytes the first, so that the room of the used ones can be filled again. */
static inline void move_to_front(struct buffer *b)
{
    memmove(b->bytes, b->bytes + b->start, waiting(b));
    b->end = waiting(b);
    b->start = 0;
}

#endif
