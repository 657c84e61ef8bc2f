/* NATS' text protocol with the requests of JetStream, as far as a work queue needs them.
 *
 * A template is a subject and a body. Both go out as a request: its reply comes to the inbox of
 * the connection, which has subscribed to that and to nothing else. The replies are
 *
 *     push    MSG inbox.7 1 30\r\n{"stream":"jobs","seq":1}\r\n
 *     take    MSG jobs 1 $JS.ACK.jobs.…  64\r\n<payload>\r\n      where the ack goes is {taken}
 *     ack     MSG inbox.7 1 0\r\n\r\n
 *     none    HMSG inbox.7 1 28 28\r\nNATS/1.0 404 No Messages\r\n\r\n\r\n
 *
 * An ack that came too late is answered in the same way, so that `ack` says less than elsewhere.
 */
#include "loadgen.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { FIELDS_MAX = 6 };

typedef struct {
    const char *bytes;
    size_t length;
} Text;

static bool begins(Text text, const char *word)
{
    size_t length = strlen(word);
    return text.length >= length && memcmp(text.bytes, word, length) == 0;
}

static void append_text(Command *command, const char *text)
{
    buffer_append(command_literal(command), text, strlen(text));
}

static void compile(Command *command, char *words[], int word_count, size_t payload_bytes)
{
    if (word_count != 2)
        fail("a request to NATS is a subject and a body");
    Argument argument = argument_named(words[0]);
    append_text(command, "PUB ");
    if (argument != ARGUMENT_NONE)
        command_argument(command, argument);
    else
        append_text(command, words[0]);
    append_text(command, " inbox.");
    command_argument(command, ARGUMENT_CONNECTION);

    bool is_payload = strcmp(words[1], "{payload}") == 0;
    char size[32];
    snprintf(size, sizeof size, " %zu\r\n", is_payload ? payload_bytes : strlen(words[1]));
    append_text(command, size);
    if (is_payload)
        append_payload(command, payload_bytes);
    else
        append_text(command, words[1]);
    append_text(command, "\r\n");
}

static void append_argument(Buffer *out, const char *bytes, size_t length)
{
    buffer_append(out, bytes, length);
}

/* Part a line at its blanks; the verb is the first field. */
static int split(Text line, Text fields[FIELDS_MAX])
{
    const char *at = line.bytes, *end = line.bytes + line.length;
    int count = 0;
    while (at < end && count < FIELDS_MAX) {
        const char *blank = memchr(at, ' ', (size_t)(end - at));
        blank = blank ? blank : end;
        fields[count++] = (Text){at, (size_t)(blank - at)};
        at = blank < end ? blank + 1 : end;
    }
    return count;
}

static void refuse(Answer *answer, Text text)
{
    answer->refusal = text.bytes;
    answer->refusal_length = text.length;
}

/* What came without headers: `reply_to` is where the ack of a job goes, and empty elsewhere. */
static void accept_message(const Step *step, Text reply_to, Text body, Answer *answer)
{
    if (step->kind == STEP_TAKE && reply_to.length > 0) {
        answer->taken = reply_to.bytes;
        answer->taken_length = reply_to.length;
        answer->payload = body.bytes;
        answer->payload_length = body.length;
    } else if (step->kind == STEP_ACK && body.length == 0) {
        answer->integer = 1;
    } else if (step->kind != STEP_PUSH || !begins(body, "{\"stream\":")) {
        refuse(answer, body); /* of a push: {"error":{…},…} */
    }
}

/* A status in place of a message: 404 and 408 say that there is none, others are errors. */
static void accept_status(const Step *step, Text headers, Answer *answer)
{
    bool none = begins(headers, "NATS/1.0 404") || begins(headers, "NATS/1.0 408");
    if (step->kind == STEP_TAKE && none)
        answer->empty = true;
    else
        refuse(answer, headers);
}

static const char *read_reply(Connection *connection, const char *at, const char *end,
                              Answer *answer)
{
    const Step *step = &run.steps[connection->step];
    const char *newline = at < end ? memchr(at, '\n', (size_t)(end - at)) : NULL;
    if (newline == NULL)
        return NULL;
    Text line = {at, newline > at ? (size_t)(newline - at - 1) : 0}, fields[FIELDS_MAX];
    const char *body = newline + 1;
    bool has_headers = begins(line, "HMSG ");

    if (begins(line, "PING"))
        answer->aside = "PONG\r\n";
    else if (begins(line, "INFO ")) /* the cluster may change at any time */
        answer->aside = "";
    else if (!has_headers && !begins(line, "MSG "))
        refuse(answer, line);
    if (answer->aside || answer->refusal)
        return body;

    int sizes = has_headers ? 2 : 1, count = split(line, fields);
    if (count < 3 + sizes)
        fail("NATS sent '%.*s'", (int)line.length, line.bytes);
    size_t total = strtoul(fields[count - 1].bytes, NULL, 10);
    if ((size_t)(end - body) < total + 2)
        return NULL;
    if (has_headers)
        accept_status(step, (Text){body, strtoul(fields[count - 2].bytes, NULL, 10)}, answer);
    else
        accept_message(step, count == 5 ? fields[3] : (Text){0}, (Text){body, total}, answer);
    return body + total + 2;
}

static void greet(Connection *connection)
{
    const char *line = connection_hear(connection);
    if (strncmp(line, "INFO ", 5) != 0)
        fail("NATS greeted by '%s'", line);
    connection_say(connection,
                   "CONNECT {\"verbose\":false,\"headers\":true,\"no_responders\":true}\r\n"
                   "SUB inbox.%s 1\r\nPING\r\n",
                   connection->name);
    line = connection_hear(connection);
    if (strcmp(line, "PONG") != 0)
        fail("NATS refused the connection: %s", line);
}

const Protocol nats_protocol = {.name = "nats",
                                .compile = compile,
                                .append_argument = append_argument,
                                .read_reply = read_reply,
                                .greet = greet};
