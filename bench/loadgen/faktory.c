/* Faktory's protocol: lines of a verb and JSON, answered by replies like those of Redis.
 *
 *     push=PUSH jobs {payload}     PUSH {"jid":"…","queue":"jobs","jobtype":"bench","args":["…"]}
 *     take=FETCH jobs              its jid is {taken}
 *     ack=ACK {taken}              ACK {"jid":"…"}
 *
 * FETCH waits two seconds where there is no job. A job that was not reserved is acknowledged by
 * +OK as well, so that `ack` says less than elsewhere.
 */
#define _GNU_SOURCE /* memmem */
#include "loadgen.h"

#include <string.h>

static void append_text(Command *command, const char *text)
{
    buffer_append(command_literal(command), text, strlen(text));
}

static void compile(Command *command, char *words[], int word_count, size_t payload_bytes)
{
    const char *verb = words[0];
    if (word_count == 3 && strcmp(verb, "PUSH") == 0 && strcmp(words[2], "{payload}") == 0) {
        append_text(command, "PUSH {\"jid\":\"");
        command_argument(command, ARGUMENT_SERIAL);
        append_text(command, "\",\"queue\":\"");
        append_text(command, words[1]);
        append_text(command, "\",\"jobtype\":\"bench\",\"args\":[\"");
        append_payload(command, payload_bytes);
        append_text(command, "\"]}\r\n");
    } else if (word_count == 2 && strcmp(verb, "FETCH") == 0) {
        append_text(command, "FETCH ");
        append_text(command, words[1]);
        append_text(command, "\r\n");
    } else if (word_count == 2 && strcmp(verb, "ACK") == 0 &&
               argument_named(words[1]) == ARGUMENT_TAKEN) {
        append_text(command, "ACK {\"jid\":\"");
        command_argument(command, ARGUMENT_TAKEN);
        append_text(command, "\"}\r\n");
    } else {
        fail("Faktory knows PUSH QUEUE {payload}, FETCH QUEUE and ACK {taken}, not '%s'", verb);
    }
}

static void append_argument(Buffer *out, const char *bytes, size_t length)
{
    buffer_append(out, bytes, length);
}

/* Find the text between what opens it and the next quote; NULL where there is none. */
static const char *quoted(const char *json, size_t json_length, const char *opening, size_t *length)
{
    const char *at = memmem(json, json_length, opening, strlen(opening));
    if (at == NULL)
        return NULL;
    at += strlen(opening);
    const char *quote = memchr(at, '"', (size_t)(json + json_length - at));
    *length = quote ? (size_t)(quote - at) : 0;
    return quote ? at : NULL;
}

static const char *read_reply(Connection *connection, const char *at, const char *end,
                              Answer *answer)
{
    const char *after = resp_protocol.read_reply(connection, at, end, answer);
    if (after == NULL || answer->refusal || answer->empty)
        return after;
    if (answer->payload) {
        const char *job = answer->payload;
        size_t job_length = answer->payload_length;
        answer->taken = quoted(job, job_length, "\"jid\":\"", &answer->taken_length);
        answer->payload = quoted(job, job_length, "\"args\":[\"", &answer->payload_length);
    } else if (after - at == 5 && memcmp(at, "+OK\r\n", 5) == 0) {
        answer->integer = 1;
        answer->taken = NULL;
    } else {
        answer->refusal = at;
        answer->refusal_length = (size_t)(after - at);
    }
    return after;
}

/* Without a worker's id in its HELLO a connection owes no heartbeats; FETCH asks for none. */
static void greet(Connection *connection)
{
    const char *line = connection_hear(connection);
    if (strncmp(line, "+HI ", 4) != 0)
        fail("Faktory greeted by '%s'", line);
    connection_say(connection, "HELLO {\"v\":2}\r\n");
    line = connection_hear(connection);
    if (strcmp(line, "+OK") != 0)
        fail("Faktory refused the connection: %s", line);
}

const Protocol faktory_protocol = {.name = "faktory",
                                   .compile = compile,
                                   .append_argument = append_argument,
                                   .read_reply = read_reply,
                                   .greet = greet};
