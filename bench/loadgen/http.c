#define _GNU_SOURCE /* memmem */
#include "http.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { LENGTH_DIGITS = 9 };

static const char end_of_head[] = "\r\n\r\n";

void http_begin(Buffer *out, const char *path, const char *body_type)
{
    char head[512];
    int length = snprintf(head, sizeof head,
                          "POST %s HTTP/1.1\r\nHost: localhost\r\nContent-Type: %s\r\n"
                          "Content-Length: %0*d\r\n\r\n",
                          path, body_type, LENGTH_DIGITS, 0);
    if (length >= (int)sizeof head)
        fail("a path of more than a few hundred bytes");
    buffer_append(out, head, (size_t)length);
}

void http_complete(Buffer *out, size_t start)
{
    char digits[LENGTH_DIGITS + 1];
    char *end = memmem(out->bytes + start, out->length - start, end_of_head, 4);
    size_t body = out->length - (size_t)(end + 4 - out->bytes);
    snprintf(digits, sizeof digits, "%0*zu", LENGTH_DIGITS, body);
    memcpy(end - LENGTH_DIGITS, digits, LENGTH_DIGITS);
}

const char *http_read(const char *at, const char *end, Response *response)
{
    const char *blank = memmem(at, (size_t)(end - at), end_of_head, 4);
    if (blank == NULL)
        return NULL;
    const char *name = "\ncontent-length:";
    const char *field = at;
    while (field < blank && strncasecmp(field, name, strlen(name)) != 0)
        field++;
    if (field == blank)
        fail("an HTTP response without its length");
    response->status = atoi(at + strlen("HTTP/1.1 "));
    response->body = blank + 4;
    response->body_length = strtoul(field + strlen(name), NULL, 10);
    return (size_t)(end - response->body) < response->body_length
               ? NULL
               : response->body + response->body_length;
}

const char *http_read_success(const char *at, const char *end, Response *response, Answer *answer)
{
    const char *after = http_read(at, end, response);
    if (after && response->status / 100 != 2) {
        answer->refusal = response->body_length ? response->body : at;
        answer->refusal_length = response->body_length ? response->body_length : 12;
    }
    return after;
}
