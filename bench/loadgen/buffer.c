/* Bytes that grow, and what several protocols write and find in them. */
#define _GNU_SOURCE /* memmem */
#include "loadgen.h"

#include <endian.h>
#include <stdlib.h>
#include <string.h>

void buffer_reserve(Buffer *buffer, size_t more)
{
    size_t needed = buffer->length + more;
    if (needed <= buffer->capacity)
        return;
    size_t capacity = buffer->capacity ? buffer->capacity : 256;
    while (capacity < needed)
        capacity *= 2;
    buffer->bytes = realloc(buffer->bytes, capacity);
    if (buffer->bytes == NULL)
        fail("out of memory for %zu bytes", capacity);
    buffer->capacity = capacity;
}

void buffer_append(Buffer *buffer, const char *bytes, size_t length)
{
    if (length == 0)
        return;
    buffer_reserve(buffer, length);
    memcpy(buffer->bytes + buffer->length, bytes, length);
    buffer->length += length;
}

void buffer_clear(Buffer *buffer)
{
    buffer->start = buffer->length = 0;
}

void buffer_append_text(Buffer *buffer, const char *text)
{
    buffer_append(buffer, text, strlen(text));
}

void buffer_append_number(Buffer *buffer, uint64_t value, size_t bytes)
{
    uint64_t big = htobe64(value);
    buffer_append(buffer, (const char *)&big + sizeof big - bytes, bytes);
}

uint64_t number_at(const char *at, size_t bytes)
{
    uint64_t big = 0;
    memcpy((char *)&big + sizeof big - bytes, at, bytes);
    return be64toh(big);
}

const char *find_quoted(const char *json, size_t json_length, const char *opening, size_t *length)
{
    const char *at = memmem(json, json_length, opening, strlen(opening));
    if (at == NULL)
        return NULL;
    at += strlen(opening);
    const char *quote = memchr(at, '"', (size_t)(json + json_length - at));
    *length = quote ? (size_t)(quote - at) : 0;
    return quote ? at : NULL;
}
