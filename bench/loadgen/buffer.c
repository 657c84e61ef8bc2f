/* Bytes that grow. */
#include "loadgen.h"

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
