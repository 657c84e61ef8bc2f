/* HTTP/1.1 as far as requests with a body of a known length, and responses with one, need it. */
#ifndef HTTP_H
#define HTTP_H

#include "loadgen.h"

typedef struct {
    int status;
    const char *body;
    size_t body_length;
} Response;

/* Append a request up to its body, whose length http_complete fills in. */
void http_begin(Buffer *out, const char *path, const char *body_type);
void http_complete(Buffer *out, size_t start);

/* Read a response from [at, end); return where it ends, NULL while it is incomplete. */
const char *http_read(const char *at, const char *end, Response *response);

/* Read a response in the same way, and make anything but success the answer's refusal. */
const char *http_read_success(const char *at, const char *end, Response *response, Answer *answer);

#endif
