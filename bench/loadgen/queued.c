/* queued's protocol: HTTP with bodies in MessagePack, one request for all jobs of a step.
 *
 *     push=push QUEUE {payload}     POST /queue/QUEUE/messages/push
 *     take=poll QUEUE               POST /queue/QUEUE/messages/poll
 *     ack=delete QUEUE {taken}      POST /queue/QUEUE/messages/delete
 *
 * {taken} is the id and the tag of a poll, as the map that delete wants.
 */
#include "http.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* What MessagePack puts before a value, where its length or number has a fixed size. */
enum {
    MAP = 0x80,
    ARRAY = 0x90,
    TEXT = 0xA0,
    BYTES_8 = 0xC4,
    BYTES_32 = 0xC6,
    NUMBER_8 = 0xCC,
    NUMBER_32 = 0xCE,
    NUMBER_64 = 0xCF,
    TEXT_8 = 0xD9,
    ARRAY_16 = 0xDC,
    ARRAY_32 = 0xDD,
    COUNT_BYTES = 4,
};

enum { LOCK_SECONDS = 3600 };

/* Of the answer to a poll, what has not been given out. */
typedef struct {
    const char *job;
    size_t jobs_left, nothings_left;
    Buffer taken;
} State;

/* A value that has been read: a number or a count, and its bytes if it has some. */
typedef struct {
    uint64_t number;
    const char *bytes;
} Value;

static void append_key(Buffer *out, const char *key)
{
    buffer_append_number(out, TEXT | strlen(key), 1);
    buffer_append_text(out, key);
}

static void append_value(Buffer *out, int type, uint64_t value, size_t bytes)
{
    buffer_append_number(out, (uint64_t)type, 1);
    buffer_append_number(out, value, bytes);
}

static void compile(Command *command, char *words[], int word_count, size_t payload_bytes)
{
    Buffer *head = &command->head;
    char path[256];
    bool is_push = word_count == 3 && strcmp(words[0], "push") == 0;
    bool is_poll = word_count == 2 && strcmp(words[0], "poll") == 0;
    bool is_delete = word_count == 3 && strcmp(words[0], "delete") == 0;
    if (run.options.rate || !(is_push || is_poll || is_delete))
        fail("queued does not go with --rate, and knows push QUEUE {payload}, poll QUEUE and "
             "delete QUEUE {taken}");
    snprintf(path, sizeof path, "/queue/%s/messages/%s", words[1], words[0]);
    http_begin(head, path, "application/msgpack");
    if (is_poll) {
        buffer_append_number(head, MAP | 2, 1);
        append_key(head, "visibility_timeout_secs");
        append_value(head, NUMBER_32, LOCK_SECONDS, COUNT_BYTES);
        append_key(head, "count");
        buffer_append_number(head, NUMBER_32, 1);
        return;
    }
    buffer_append_number(head, MAP | 1, 1);
    append_key(head, "messages");
    buffer_append_number(head, ARRAY_32, 1);
    if (is_delete) {
        command_argument(command, ARGUMENT_TAKEN);
        return;
    }
    Buffer *item = command_literal(command);
    buffer_append_number(item, MAP | 2, 1);
    append_key(item, "visibility_timeout_secs");
    buffer_append_number(item, 0, 1);
    append_key(item, "contents");
    append_value(item, BYTES_32, payload_bytes, COUNT_BYTES);
    append_payload(command, payload_bytes);
}

static void open_batch(Buffer *out, const Command *command, size_t jobs)
{
    buffer_append(out, command->head.bytes, command->head.length);
    buffer_append_number(out, jobs, COUNT_BYTES);
}

static void close_batch(Buffer *out, const Command *command, size_t start)
{
    (void)command;
    http_complete(out, start);
}

static void append_argument(Buffer *out, const char *bytes, size_t length)
{
    buffer_append(out, bytes, length);
}

/* Read the value at `at`, of a container its count alone; return what follows. */
static const char *read_value(const char *at, Value *value)
{
    unsigned type = (unsigned char)*at++;
    size_t bytes = 0;
    if (type < MAP) {
        value->number = type;
    } else if (type < TEXT) {
        value->number = type & 0x0F;
    } else if (type < TEXT + 0x20) {
        value->number = type & 0x1F;
    } else if (type >= BYTES_8 && type <= BYTES_32) {
        bytes = (size_t)1 << (type - BYTES_8);
    } else if (type >= NUMBER_8 && type <= NUMBER_64) {
        bytes = (size_t)1 << (type - NUMBER_8);
    } else if (type == TEXT_8) {
        bytes = 1;
    } else if (type == ARRAY_16 || type == ARRAY_32) {
        bytes = type == ARRAY_16 ? 2 : 4;
    } else {
        fail("queued answered with a value of type %#x", type);
    }
    if (bytes > 0)
        value->number = number_at(at, bytes);
    at += bytes;
    value->bytes = at;
    bool has_bytes = (type >= TEXT && type <= BYTES_32) || type == TEXT_8;
    return has_bytes ? at + value->number : at;
}

static void read_jobs(Connection *connection, const Response *response)
{
    Value value;
    State *state = connection->state;
    const char *at = read_value(response->body, &value); /* {"messages": … */
    at = read_value(at, &value);
    at = read_value(at, &value);
    state->job = at;
    state->jobs_left = value.number;
    state->nothings_left = connection->replies_due - value.number;
}

static const char *read_reply(Connection *connection, const char *at, const char *end,
                              Answer *answer)
{
    Response response;
    const char *after = http_read_success(at, end, &response, answer);
    if (after == NULL || answer->refusal)
        return after;
    if (run.steps[connection->step].kind == STEP_TAKE) {
        read_jobs(connection, &response);
        answer->count = 0;
    } else {
        answer->count = connection->replies_due;
        answer->integer = 1;
    }
    return after;
}

/* Read a job; what identifies it becomes the taken of the answer. */
static void read_job(State *state, Answer *answer)
{
    Value key, value;
    uint64_t id = 0, tag = 0;
    const char *at = read_value(state->job, &value);
    for (uint64_t keys = value.number; keys > 0; keys--) {
        at = read_value(at, &key);
        at = read_value(at, &value);
        if (key.number == 2 && memcmp(key.bytes, "id", 2) == 0)
            id = value.number;
        if (key.number == 8 && memcmp(key.bytes, "poll_tag", 8) == 0)
            tag = value.number;
    }
    state->job = at;
    state->jobs_left--;
    buffer_clear(&state->taken);
    buffer_append_number(&state->taken, MAP | 2, 1);
    append_key(&state->taken, "id");
    append_value(&state->taken, NUMBER_64, id, 8);
    append_key(&state->taken, "poll_tag");
    append_value(&state->taken, NUMBER_32, tag, 4);
    answer->taken = state->taken.bytes;
    answer->taken_length = state->taken.length;
}

static bool recall(Connection *connection, Answer *answer)
{
    State *state = connection->state;
    if (state->jobs_left > 0) {
        read_job(state, answer);
        return true;
    }
    answer->empty = state->nothings_left > 0;
    state->nothings_left -= answer->empty;
    return answer->empty;
}

static void greet(Connection *connection)
{
    connection->state = calloc(1, sizeof(State));
}

const Protocol queued_protocol = {.name = "queued",
                                  .compile = compile,
                                  .open_batch = open_batch,
                                  .close_batch = close_batch,
                                  .append_argument = append_argument,
                                  .read_reply = read_reply,
                                  .recall = recall,
                                  .greet = greet};
