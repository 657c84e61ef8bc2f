/* The Redis protocol, RESP2: what redis-server and respq speak until HELLO 3. */
#include "loadgen.h"

#include <string.h>

static void append_header(Buffer *out, char type, size_t number)
{
    char text[24], *at = text + sizeof text;
    *--at = '\n';
    *--at = '\r';
    do
        *--at = (char)('0' + number % 10);
    while (number /= 10);
    *--at = type;
    buffer_append(out, at, (size_t)(text + sizeof text - at));
}

static void append_bulk(Buffer *out, const char *bytes, size_t length)
{
    append_header(out, '$', length);
    buffer_append(out, bytes, length);
    buffer_append(out, "\r\n", 2);
}

static void compile(Command *command, char *words[], int word_count, size_t payload_bytes)
{
    append_header(command_literal(command), '*', (size_t)word_count);
    for (int i = 0; i < word_count; i++) {
        Argument argument = argument_named(words[i]);
        if (argument != ARGUMENT_NONE) {
            command_argument(command, argument);
        } else if (strcmp(words[i], "{payload}") == 0) {
            append_header(command_literal(command), '$', payload_bytes);
            append_payload(command, payload_bytes);
            buffer_append(command_literal(command), "\r\n", 2);
        } else if (strcmp(words[i], "{serial}") == 0) {
            append_header(command_literal(command), '$', STAMP_BYTES);
            command_argument(command, ARGUMENT_SERIAL);
            buffer_append(command_literal(command), "\r\n", 2);
        } else {
            append_bulk(command_literal(command), words[i], strlen(words[i]));
        }
    }
}

static int64_t read_number(const char *at)
{
    bool negative = *at == '-';
    int64_t number = 0;
    for (at += negative; *at >= '0' && *at <= '9'; at++)
        number = number * 10 + (*at - '0');
    return negative ? -number : number;
}

static void take(Answer *answer, const char *bytes, size_t length)
{
    answer->taken = bytes;
    answer->taken_length = length;
}

/* Read the reply at `at`, which lies `depth` arrays deep; `on_path` while all indexes so far are
 * those of the step's path. */
static const char *read_nested(const char *at, const char *end, const Step *step, int depth,
                               bool on_path, Answer *answer)
{
    const char *newline = at < end ? memchr(at, '\n', (size_t)(end - at)) : NULL;
    if (newline == NULL)
        return NULL;
    const char *text = at + 1, *after = newline + 1;
    size_t text_length = newline > text ? (size_t)(newline - text - 1) : 0;
    bool wanted = on_path && depth == step->path_length; /* without a path, the reply itself */
    int64_t number;

    switch (*at) {
    case '-':
        answer->refusal = text;
        answer->refusal_length = text_length;
        return after;
    case ':':
        if (depth == 0)
            answer->integer = read_number(text);
        /* fall through */
    case '+':
        if (wanted)
            take(answer, text, text_length);
        return after;
    case '$':
        number = read_number(text);
        if (number < 0) {
            answer->empty |= depth == 0;
            return after;
        }
        if (end - after < number + 2)
            return NULL;
        if (wanted)
            take(answer, after, (size_t)number);
        answer->payload = after;
        answer->payload_length = (size_t)number;
        return after + number + 2;
    case '*':
        number = read_number(text);
        answer->empty |= depth == 0 && number <= 0;
        for (int64_t i = 0; i < number && after; i++) {
            bool follows = on_path && depth < step->path_length && step->path[depth] == i;
            after = read_nested(after, end, step, depth + 1, follows, answer);
        }
        return after;
    default:
        fail("a reply begins with byte %d, which is none of RESP2's", (unsigned char)*at);
    }
}

static const char *read_reply(Connection *connection, const char *at, const char *end,
                              Answer *answer)
{
    const Step *step = &run.steps[connection->step];
    return read_nested(at, end, step, 0, true, answer);
}

const Protocol resp_protocol = {
    .name = "resp", .compile = compile, .append_argument = append_bulk, .read_reply = read_reply};
