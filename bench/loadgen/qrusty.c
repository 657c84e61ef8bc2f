/* Qrusty's two protocols, both in JSON; its ids are texts.
 *
 * By HTTP, with a batch where there is one:
 *
 *     push=publish QUEUE {payload}      POST /publish-batch
 *     take=consume QUEUE                POST /consume/QUEUE, a request for each job
 *     ack=ack QUEUE {taken}             POST /ack-batch/QUEUE
 *
 * By WebSocket, over which jobs come by themselves to a connection that has credits:
 *
 *     push=publish QUEUE {payload}      a message for each job
 *     take=credit QUEUE                 one for all; answered by the jobs alone
 *     ack=ack QUEUE {taken}             batch-ack
 *
 * A batch is an array whose items each bring the comma before them; the first becomes its bracket.
 */
#define _GNU_SOURCE /* memmem */
#include "http.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    WEBSOCKET_TEXT = 0x81,
    WEBSOCKET_PING = 0x89,
    WEBSOCKET_MASKED = 0x80,
    WEBSOCKET_LENGTH_16 = 126,
    WEBSOCKET_LENGTH_64 = 127,
    WEBSOCKET_MASK_BYTES = 4,
};

static char consumed_queue[128]; /* empty where nothing is taken */

static void append_argument(Buffer *out, const char *bytes, size_t length)
{
    buffer_append(out, bytes, length);
}

/* Check a template and return its queue. */
static const char *queue_of(char *words[], int word_count, const char *take)
{
    if (run.options.rate)
        fail("qrusty does not go with --rate");
    bool is_push = word_count == 3 && strcmp(words[0], "publish") == 0 &&
                   strcmp(words[2], "{payload}") == 0;
    bool is_take = word_count == 2 && strcmp(words[0], take) == 0;
    bool is_ack = word_count == 3 && strcmp(words[0], "ack") == 0 &&
                  argument_named(words[2]) == ARGUMENT_TAKEN;
    if (!is_push && !is_take && !is_ack)
        fail("'%s' is none of publish QUEUE {payload}, %s QUEUE, ack QUEUE {taken}", words[0],
             take);
    return words[1];
}

static void append_taken_item(Command *command)
{
    buffer_append_text(command_literal(command), ",\"");
    command_argument(command, ARGUMENT_TAKEN);
    buffer_append_text(command_literal(command), "\"");
}

static void close_array(Buffer *out, const Command *command, size_t start)
{
    out->bytes[start + command->head.length] = '[';
    buffer_append(out, command->tail.bytes, command->tail.length);
}

/* HTTP. */

static void http_compile(Command *command, char *words[], int word_count, size_t payload_bytes)
{
    const char *queue = queue_of(words, word_count, "consume");
    char path[256];
    if (strcmp(words[0], "publish") == 0) {
        http_begin(&command->head, "/publish-batch", "application/json");
        buffer_append_text(&command->head, "{\"queue\":\"");
        buffer_append_text(&command->head, queue);
        buffer_append_text(&command->head, "\",\"messages\":");
        buffer_append_text(command_literal(command), ",{\"priority\":0,\"payload\":\"");
        append_payload(command, payload_bytes);
        buffer_append_text(command_literal(command), "\"}");
        buffer_append_text(&command->tail, "]}");
    } else if (strcmp(words[0], "consume") == 0) {
        snprintf(path, sizeof path, "/consume/%s", queue);
        http_begin(command_literal(command), path, "application/json");
        buffer_append_text(command_literal(command),
                           "{\"consumer_id\":\"bench\",\"timeout_seconds\":3600}");
        http_complete(command_literal(command), 0);
    } else {
        snprintf(path, sizeof path, "/ack-batch/%s", queue);
        http_begin(&command->head, path, "application/json");
        buffer_append_text(&command->head, "{\"consumer_id\":\"bench\",\"message_ids\":");
        append_taken_item(command);
        buffer_append_text(&command->tail, "]}");
    }
}

static void http_open_batch(Buffer *out, const Command *command, size_t jobs)
{
    (void)jobs;
    buffer_append(out, command->head.bytes, command->head.length);
}

static void http_close_batch(Buffer *out, const Command *command, size_t start)
{
    close_array(out, command, start);
    http_complete(out, start);
}

static const char *http_read_reply(Connection *connection, const char *at, const char *end,
                                   Answer *answer)
{
    Response response;
    StepKind kind = run.steps[connection->step].kind;
    const char *after = http_read_success(at, end, &response, answer);
    if (after == NULL || answer->refusal)
        return after;
    const char *body = response.body;
    size_t length = response.body_length;
    if (kind == STEP_TAKE) {
        answer->empty = length == 4 && memcmp(body, "null", 4) == 0;
        answer->taken = find_quoted(body, length, "\"id\":\"", &answer->taken_length);
        return after;
    }
    const char *none_left = kind == STEP_PUSH ? "\"rejected\":[]" : "\"not_found\":[]";
    if (memmem(body, length, none_left, strlen(none_left)) == NULL) {
        answer->refusal = body;
        answer->refusal_length = length;
    }
    answer->count = connection->replies_due;
    answer->integer = 1;
    return after;
}

const Protocol qrusty_http_protocol = {.name = "qrusty-http",
                                       .compile = http_compile,
                                       .open_batch = http_open_batch,
                                       .close_batch = http_close_batch,
                                       .append_argument = append_argument,
                                       .read_reply = http_read_reply,
                                       .acknowledges_at_once = true};

/* WebSocket. */

/* Put before the text from `start` on the head of a message. A client has to mask what it sends;
 * the mask here is zero, which leaves the text as it is. */
static void complete_message(Buffer *out, size_t start)
{
    size_t length = out->length - start;
    Buffer head = {0};
    buffer_append_number(&head, WEBSOCKET_TEXT, 1);
    if (length < WEBSOCKET_LENGTH_16) {
        buffer_append_number(&head, WEBSOCKET_MASKED | length, 1);
    } else if (length <= UINT16_MAX) {
        buffer_append_number(&head, WEBSOCKET_MASKED | WEBSOCKET_LENGTH_16, 1);
        buffer_append_number(&head, length, 2);
    } else {
        buffer_append_number(&head, WEBSOCKET_MASKED | WEBSOCKET_LENGTH_64, 1);
        buffer_append_number(&head, length, 8);
    }
    buffer_append_number(&head, 0, WEBSOCKET_MASK_BYTES);
    buffer_append(out, head.bytes, head.length); /* for the room */
    memmove(out->bytes + start + head.length, out->bytes + start, length);
    memcpy(out->bytes + start, head.bytes, head.length);
    free(head.bytes);
}

static void websocket_compile(Command *command, char *words[], int word_count,
                              size_t payload_bytes)
{
    const char *queue = queue_of(words, word_count, "credit");
    Buffer *head = &command->head;
    if (strcmp(words[0], "publish") == 0) {
        Buffer *text = command_literal(command);
        buffer_append_text(text, "{\"type\":\"publish\",\"priority\":0,\"queue\":\"");
        buffer_append_text(text, queue);
        buffer_append_text(text, "\",\"payload\":\"");
        append_payload(command, payload_bytes);
        buffer_append_text(text, "\"}");
        complete_message(text, 0);
        return;
    }
    bool is_ack = strcmp(words[0], "ack") == 0;
    buffer_append_text(head, is_ack ? "{\"type\":\"batch-ack\",\"queue\":\""
                                    : "{\"type\":\"credit\",\"no_reply\":true,\"queue\":\"");
    buffer_append_text(head, queue);
    buffer_append_text(head, is_ack ? "\",\"ids\":" : "\",\"credits\":");
    if (is_ack)
        append_taken_item(command);
    else
        snprintf(consumed_queue, sizeof consumed_queue, "%s", queue);
    buffer_append_text(&command->tail, is_ack ? "]}" : "}");
}

static void websocket_open_batch(Buffer *out, const Command *command, size_t jobs)
{
    buffer_append(out, command->head.bytes, command->head.length);
    if (command->piece_count == 0) {
        char digits[STAMP_BYTES + 1];
        snprintf(digits, sizeof digits, "%zu", jobs);
        buffer_append_text(out, digits);
    }
}

static void websocket_close_batch(Buffer *out, const Command *command, size_t start)
{
    if (command->piece_count > 0)
        close_array(out, command, start);
    else
        buffer_append(out, command->tail.bytes, command->tail.length);
    complete_message(out, start);
}

/* Return where the text of a message begins, and its length; NULL while it is incomplete. */
static const char *message_text(const char *at, const char *end, size_t *length)
{
    if (end - at < 2)
        return NULL;
    size_t length_bytes = 0;
    *length = (unsigned char)at[1];
    if (*length >= WEBSOCKET_LENGTH_16)
        length_bytes = *length == WEBSOCKET_LENGTH_16 ? 2 : 8;
    const char *text = at + 2 + length_bytes;
    if (text > end)
        return NULL;
    if (length_bytes > 0)
        *length = number_at(at + 2, length_bytes);
    return (size_t)(end - text) < *length ? NULL : text;
}

static const char *websocket_read_reply(Connection *connection, const char *at, const char *end,
                                        Answer *answer)
{
    StepKind kind = run.steps[connection->step].kind;
    size_t length;
    const char *text = message_text(at, end, &length);
    if (text == NULL)
        return NULL;
    const char *is_ok = kind == STEP_TAKE ? "\"type\":\"deliver\"" : "\"type\":\"ok\"";
    if ((unsigned char)*at == WEBSOCKET_PING) {
        answer->count = 0; /* each half minute; two that are not answered end the connection */
    } else if ((unsigned char)*at != WEBSOCKET_TEXT ||
               memmem(text, length, is_ok, strlen(is_ok)) == NULL) {
        answer->refusal = text;
        answer->refusal_length = length;
    } else if (kind == STEP_TAKE) {
        answer->taken = find_quoted(text, length, "\"id\":\"", &answer->taken_length);
    } else if (kind == STEP_ACK) {
        char all[STAMP_BYTES + 16];
        snprintf(all, sizeof all, "\"acked\":%zu,", connection->replies_due);
        answer->integer = memmem(text, length, all, strlen(all)) ? 1 : 0;
        answer->count = connection->replies_due;
    }
    return text + length;
}

/* Change to WebSocket, and subscribe without a credit. */
static void websocket_greet(Connection *connection)
{
    connection_say(connection, "GET /ws HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\n"
                               "Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
                               "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n");
    const char *line = connection_hear(connection);
    if (strncmp(line, "HTTP/1.1 101", 12) != 0)
        fail("Qrusty did not change to WebSocket: %s", line);
    while (*connection_hear(connection) != '\0')
        ;
    if (consumed_queue[0] == '\0')
        return;
    buffer_append_text(&connection->out, "{\"type\":\"subscribe\",\"credits\":0,"
                                         "\"lock_timeout_secs\":3600,\"queue\":\"");
    buffer_append_text(&connection->out, consumed_queue);
    buffer_append_text(&connection->out, "\"}");
    complete_message(&connection->out, 0);
    connection_flush(connection);
    size_t length = (unsigned char)connection_hear_bytes(connection, 2)[1];
    const char *text = connection_hear_bytes(connection, length);
    if (memmem(text, length, "\"ok\"", 4) == NULL)
        fail("Qrusty refused the subscription: %.*s", (int)length, text);
}

const Protocol qrusty_websocket_protocol = {.name = "qrusty-websocket",
                                            .compile = websocket_compile,
                                            .open_batch = websocket_open_batch,
                                            .close_batch = websocket_close_batch,
                                            .append_argument = append_argument,
                                            .read_reply = websocket_read_reply,
                                            .greet = websocket_greet,
                                            .acknowledges_at_once = true};
