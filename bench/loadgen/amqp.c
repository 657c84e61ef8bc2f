/* AMQP 0-9-1, as far as a work queue on RabbitMQ needs it: one channel a connection, with
 * publisher confirms, and jobs that the broker sends by itself.
 *
 *     push=publish QUEUE transient {payload}      confirmed by basic.ack, one or many at once
 *     take=consume QUEUE                          sends nothing: basic.deliver comes unasked
 *     ack=ack {taken}                             basic.ack, which has no answer
 *
 * A connection consumes from its first moment, with as many jobs prefetched as it has in flight, so
 * jobs come while it still pushes; they wait here until it takes them. An ack costs no round trip,
 * and one that acknowledged nothing closes the channel.
 */
#include "loadgen.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    FRAME_METHOD = 1,
    FRAME_BODY = 3,
    FRAME_END = 0xCE,
    FRAME_HEAD_BYTES = 7,
    FRAME_BYTES = FRAME_HEAD_BYTES + 1, /* of one that is empty */
    FRAME_BYTES_MAX = 128 * 1024,       /* what RabbitMQ proposes */
    CHANNEL = 1,
    TAG_BYTES = 8,
    NAME_BYTES_MAX = 127,
};

#define METHOD(class, number) ((uint32_t)(class) << 16 | (number))

enum {
    CONNECTION_START = METHOD(10, 10),
    CONNECTION_START_OK = METHOD(10, 11),
    CONNECTION_TUNE = METHOD(10, 30),
    CONNECTION_TUNE_OK = METHOD(10, 31),
    CONNECTION_OPEN = METHOD(10, 40),
    CONNECTION_OPEN_OK = METHOD(10, 41),
    CONNECTION_CLOSE = METHOD(10, 50),
    CHANNEL_OPEN = METHOD(20, 10),
    CHANNEL_OPEN_OK = METHOD(20, 11),
    CHANNEL_CLOSE = METHOD(20, 40),
    BASIC_QOS = METHOD(60, 10),
    BASIC_QOS_OK = METHOD(60, 11),
    BASIC_CONSUME = METHOD(60, 20),
    BASIC_CONSUME_OK = METHOD(60, 21),
    BASIC_PUBLISH = METHOD(60, 40),
    BASIC_DELIVER = METHOD(60, 60),
    BASIC_ACK = METHOD(60, 80),
    CONFIRM_SELECT = METHOD(85, 10),
    CONFIRM_SELECT_OK = METHOD(85, 11),
};

/* What a connection knows beyond its walk. */
typedef struct {
    uint64_t confirmed_before; /* tags of pushes of earlier rounds */
    bool *is_confirmed;        /* of this round */
    char *early;               /* tags of jobs that came before they were taken, a ring */
    size_t early_first, early_count;
} State;

static char consumed_queue[NAME_BYTES_MAX + 1]; /* empty where nothing is taken */

static void append_short_text(Buffer *out, const char *text)
{
    buffer_append_number(out, strlen(text), 1);
    buffer_append(out, text, strlen(text));
}

static void append_long_text(Buffer *out, const char *text, size_t length)
{
    buffer_append_number(out, length, 4);
    buffer_append(out, text, length);
}

static void append_head(Buffer *out, int type, int channel, size_t size)
{
    buffer_append_number(out, (uint64_t)type, 1);
    buffer_append_number(out, (uint64_t)channel, 2);
    buffer_append_number(out, size, 4);
}

static void append_method(Buffer *out, int channel, uint32_t method, const Buffer *arguments)
{
    append_head(out, FRAME_METHOD, channel, 4 + arguments->length);
    buffer_append_number(out, method, 4);
    buffer_append(out, arguments->bytes, arguments->length);
    buffer_append_number(out, FRAME_END, 1);
}

static void compile_publish(Command *command, char *words[], size_t payload_bytes)
{
    Buffer *out = command_literal(command), arguments = {0};
    bool is_persistent = strcmp(words[2], "persistent") == 0;
    buffer_append_number(&arguments, 0, 2);
    append_short_text(&arguments, ""); /* the exchange that routes by the queue's name */
    append_short_text(&arguments, words[1]);
    buffer_append_number(&arguments, 0, 1);
    append_method(out, CHANNEL, BASIC_PUBLISH, &arguments);
    free(arguments.bytes);

    append_head(out, 2, CHANNEL, 15);
    buffer_append_number(out, 60, 2);
    buffer_append_number(out, 0, 2);
    buffer_append_number(out, payload_bytes, 8);
    buffer_append_number(out, 0x1000, 2); /* of the properties, the delivery mode alone */
    buffer_append_number(out, is_persistent ? 2 : 1, 1);
    buffer_append_number(out, FRAME_END, 1);

    append_head(out, FRAME_BODY, CHANNEL, payload_bytes);
    append_payload(command, payload_bytes);
    buffer_append_number(command_literal(command), FRAME_END, 1);
}

static void compile_ack(Command *command)
{
    Buffer *out = command_literal(command);
    append_head(out, FRAME_METHOD, CHANNEL, 4 + TAG_BYTES + 1);
    buffer_append_number(out, BASIC_ACK, 4);
    command_argument(command, ARGUMENT_TAKEN);
    buffer_append_number(command_literal(command), 0, 1);
    buffer_append_number(command_literal(command), FRAME_END, 1);
}

static void compile(Command *command, char *words[], int word_count, size_t payload_bytes)
{
    if (run.options.rate || payload_bytes + FRAME_BYTES > FRAME_BYTES_MAX)
        fail("amqp does not go with --rate, nor with payloads of more than a frame");
    if (word_count == 4 && strcmp(words[0], "publish") == 0 && strcmp(words[3], "{payload}") == 0) {
        compile_publish(command, words, payload_bytes);
    } else if (word_count == 2 && strcmp(words[0], "consume") == 0) {
        snprintf(consumed_queue, sizeof consumed_queue, "%s", words[1]);
    } else if (word_count == 2 && argument_named(words[1]) == ARGUMENT_TAKEN) {
        compile_ack(command);
        command->is_unanswered = true;
    } else {
        fail("'%s' is none of publish QUEUE MODE {payload}, consume QUEUE, ack {taken}", words[0]);
    }
}

static void append_argument(Buffer *out, const char *bytes, size_t length)
{
    buffer_append(out, bytes, length);
}

/* Return where the frame at `at` ends, NULL while it is incomplete. */
static const char *frame_end(const char *at, const char *end)
{
    if (end - at < FRAME_BYTES)
        return NULL;
    size_t size = number_at(at + 3, 4);
    return (size_t)(end - at) < FRAME_BYTES + size ? NULL : at + FRAME_BYTES + size;
}

/* Count the pushes that a confirm is for: tags up to the one given, where it is for many. */
static void accept_confirm(Connection *connection, const char *arguments, Answer *answer)
{
    State *state = connection->state;
    size_t last = (size_t)(number_at(arguments, TAG_BYTES) - state->confirmed_before - 1);
    bool is_for_many = arguments[TAG_BYTES] & 1;
    if (last >= connection->replies_due)
        fail("RabbitMQ confirmed a push that was not sent");
    answer->count = 0;
    for (size_t i = is_for_many ? 0 : last; i <= last; i++) {
        answer->count += !state->is_confirmed[i];
        state->is_confirmed[i] = true;
    }
    if (connection->replies_seen + answer->count == connection->replies_due) {
        state->confirmed_before += connection->replies_due;
        memset(state->is_confirmed, 0, (size_t)run.options.pipeline);
    }
}

static bool takes(const Connection *connection)
{
    return run.steps[connection->step].kind == STEP_TAKE &&
           connection->replies_seen < connection->replies_due;
}

static const char *read_delivery(Connection *connection, const char *method, const char *end,
                                 Answer *answer)
{
    const char *tag = method + 4 + 1 + (unsigned char)method[4];
    const char *header = frame_end(method - FRAME_HEAD_BYTES, end);
    const char *body = frame_end(header, end);
    if (body == NULL)
        return NULL;
    size_t left = number_at(header + FRAME_HEAD_BYTES + 4, 8);
    while (left > 0) {
        const char *after = frame_end(body, end);
        if (after == NULL)
            return NULL;
        left -= number_at(body + 3, 4);
        body = after;
    }
    State *state = connection->state;
    if (takes(connection)) {
        answer->taken = tag;
        answer->taken_length = TAG_BYTES;
        return body;
    }
    size_t room = (size_t)run.options.pipeline;
    if (state->early_count == room)
        fail("RabbitMQ sent more jobs than are prefetched");
    size_t place = (state->early_first + state->early_count++) % room;
    memcpy(state->early + place * TAG_BYTES, tag, TAG_BYTES);
    answer->count = 0;
    return body;
}

static bool recall(Connection *connection, Answer *answer)
{
    State *state = connection->state;
    if (state->early_count == 0 || !takes(connection))
        return false;
    answer->taken = state->early + state->early_first * TAG_BYTES;
    answer->taken_length = TAG_BYTES;
    state->early_first = (state->early_first + 1) % (size_t)run.options.pipeline;
    state->early_count--;
    return true;
}

static const char *read_reply(Connection *connection, const char *at, const char *end,
                              Answer *answer)
{
    const char *after = frame_end(at, end);
    if (after == NULL)
        return NULL;
    const char *method = at + FRAME_HEAD_BYTES;
    uint32_t which = *at == FRAME_METHOD ? (uint32_t)number_at(method, 4) : 0;
    if (which == BASIC_DELIVER)
        return read_delivery(connection, method, end, answer);
    if (which == BASIC_ACK) {
        accept_confirm(connection, method + 4, answer);
    } else {
        bool is_close = which == CHANNEL_CLOSE || which == CONNECTION_CLOSE;
        answer->refusal = is_close ? method + 7 : "a frame that was not expected";
        answer->refusal_length = is_close ? (unsigned char)method[6] : strlen(answer->refusal);
    }
    return after;
}

/* The first words between both sides, while the connection still blocks. */

static void say(Connection *connection, int channel, uint32_t method, Buffer *arguments)
{
    append_method(&connection->out, channel, method, arguments);
    free(arguments->bytes);
    connection_flush(connection);
}

static void hear(Connection *connection, uint32_t method)
{
    const char *head = connection_hear_bytes(connection, FRAME_HEAD_BYTES);
    size_t size = number_at(head + 3, 4);
    const char *body = connection_hear_bytes(connection, size + 1);
    if (number_at(body, 4) != method)
        fail("RabbitMQ did not greet as it should: method %#x", (unsigned)number_at(body, 4));
}

static void log_in(Connection *connection)
{
    static const char plain[] = "\0guest\0guest";
    Buffer arguments = {0};
    buffer_append(&connection->out, "AMQP\0\0\x09\x01", 8);
    connection_flush(connection);
    hear(connection, CONNECTION_START);
    buffer_append_number(&arguments, 0, 4); /* a table of nothing about us */
    append_short_text(&arguments, "PLAIN");
    append_long_text(&arguments, plain, sizeof plain - 1);
    append_short_text(&arguments, "en_US");
    say(connection, 0, CONNECTION_START_OK, &arguments);
    hear(connection, CONNECTION_TUNE);
    arguments = (Buffer){0};
    buffer_append_number(&arguments, 1, 2);
    buffer_append_number(&arguments, FRAME_BYTES_MAX, 4);
    buffer_append_number(&arguments, 0, 2); /* no heartbeats */
    say(connection, 0, CONNECTION_TUNE_OK, &arguments);
    arguments = (Buffer){0};
    append_short_text(&arguments, "/");
    buffer_append_number(&arguments, 0, 2);
    say(connection, 0, CONNECTION_OPEN, &arguments);
    hear(connection, CONNECTION_OPEN_OK);
}

static void consume(Connection *connection)
{
    Buffer arguments = {0};
    buffer_append_number(&arguments, 0, 4);
    buffer_append_number(&arguments, (uint64_t)run.options.pipeline, 2);
    buffer_append_number(&arguments, 0, 1);
    say(connection, CHANNEL, BASIC_QOS, &arguments);
    hear(connection, BASIC_QOS_OK);
    arguments = (Buffer){0};
    buffer_append_number(&arguments, 0, 2);
    append_short_text(&arguments, consumed_queue);
    append_short_text(&arguments, connection->name);
    buffer_append_number(&arguments, 0, 1);
    buffer_append_number(&arguments, 0, 4);
    say(connection, CHANNEL, BASIC_CONSUME, &arguments);
    hear(connection, BASIC_CONSUME_OK);
}

static void greet(Connection *connection)
{
    Buffer arguments = {0};
    log_in(connection);
    append_short_text(&arguments, "");
    say(connection, CHANNEL, CHANNEL_OPEN, &arguments);
    hear(connection, CHANNEL_OPEN_OK);
    arguments = (Buffer){0};
    buffer_append_number(&arguments, 0, 1);
    say(connection, CHANNEL, CONFIRM_SELECT, &arguments);
    hear(connection, CONFIRM_SELECT_OK);

    State *state = calloc(1, sizeof *state);
    size_t pipeline = (size_t)run.options.pipeline;
    connection->state = state;
    state->is_confirmed = calloc(pipeline, sizeof *state->is_confirmed);
    state->early = calloc(pipeline, TAG_BYTES);
    if (consumed_queue[0])
        consume(connection);
}

const Protocol amqp_protocol = {.name = "amqp",
                                .compile = compile,
                                .append_argument = append_argument,
                                .read_reply = read_reply,
                                .recall = recall,
                                .greet = greet};
