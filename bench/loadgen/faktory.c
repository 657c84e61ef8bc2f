/* Faktory's protocol: lines of a verb and JSON, answered by replies like those of Redis.
 *
 *     push=PUSH jobs {payload}     PUSH {"jid":"…","queue":"jobs","jobtype":"bench","args":["…"]}
 *     take=FETCH jobs              its jid is {taken}
 *     ack=ACK {taken}              ACK {"jid":"…"}
 *
 * FETCH waits two seconds where there is no job. A job that was not reserved is acknowledged by
 * +OK as well, so that `ack` says less than elsewhere.
 */
#include "loadgen.h"

#include <string.h>

static void compile(Command *command, char *words[], int word_count, size_t payload_bytes)
{
    const char *verb = words[0];
    if (word_count == 3 && strcmp(verb, "PUSH") == 0 && strcmp(words[2], "{payload}") == 0) {
        buffer_append_text(command_literal(command), "PUSH {\"jid\":\"");
        command_argument(command, ARGUMENT_SERIAL);
        buffer_append_text(command_literal(command), "\",\"queue\":\"");
        buffer_append_text(command_literal(command), words[1]);
        buffer_append_text(command_literal(command), "\",\"jobtype\":\"bench\",\"args\":[\"");
        append_payload(command, payload_bytes);
        buffer_append_text(command_literal(command), "\"]}\r\n");
    } else if (word_count == 2 && strcmp(verb, "FETCH") == 0) {
        buffer_append_text(command_literal(command), "FETCH ");
        buffer_append_text(command_literal(command), words[1]);
        buffer_append_text(command_literal(command), "\r\n");
    } else if (word_count == 2 && strcmp(verb, "ACK") == 0 &&
               argument_named(words[1]) == ARGUMENT_TAKEN) {
        buffer_append_text(command_literal(command), "ACK {\"jid\":\"");
        command_argument(command, ARGUMENT_TAKEN);
        buffer_append_text(command_literal(command), "\"}\r\n");
    } else {
        fail("Faktory knows PUSH QUEUE {payload}, FETCH QUEUE and ACK {taken}, not '%s'", verb);
    }
}

static void append_argument(Buffer *out, const char *bytes, size_t length)
{
    buffer_append(out, bytes, length);
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
        answer->taken = find_quoted(job, job_length, "\"jid\":\"", &answer->taken_length);
        answer->payload = find_quoted(job, job_length, "\"args\":[\"", &answer->payload_length);
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
