/*
 * The frames of the protocol: a header of 64 bytes, which is the body's length in ASCII decimal
 * digits and then spaces, and the body.
 */
#ifndef FRAMES_H
#define FRAMES_H

#include <stdbool.h>
#include <stddef.h>
#include <string.h>

#define HEADER_LEN 64
#define ECHO_COMMAND "ECHO "
#define COMMAND_LEN (sizeof ECHO_COMMAND - 1)
#define MAX_LENGTH_DIGITS 18 /* any such number fits in 64 bits, so decoding cannot overflow */

static const char SPACES[HEADER_LEN + 1] =
    "                                                                ";
/* The reply to whatever is not ECHO. */
static const char ACKNOWLEDGEMENT[] = "Message received successfully....";

static inline bool decode_header(const char *header, size_t *body_len)
{
    size_t digits = 0, value = 0;
    while (digits < MAX_LENGTH_DIGITS && header[digits] >= '0' && header[digits] <= '9')
        value = value * 10 + (size_t)(header[digits++] - '0');
    *body_len = value;
    return digits > 0 && memcmp(header + digits, SPACES, HEADER_LEN - digits) == 0;
}

static inline void write_header(char *header, size_t body_len)
{
    char digits[MAX_LENGTH_DIGITS];
    size_t count = 0;

    memcpy(header, SPACES, HEADER_LEN);
    do
        digits[count++] = (char)('0' + body_len % 10);
    while ((body_len /= 10) > 0);
    while (count > 0)
        *header++ = digits[--count];
}

#endif
