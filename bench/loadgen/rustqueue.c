/* RustQueue's binary protocol: one request for all jobs of a step.
 *
 *     push=push QUEUE {payload}     0x01, the queue, and payloads; answered by their ids
 *     take=pull QUEUE               0x02, the queue, and how many; answered by ids and jobs
 *     ack=ack {taken}               0x03, and ids; answered by how many it acked, and how many not
 *
 * Lengths and counts are big-endian, an id is 16 bytes. A payload that is no JSON becomes a string.
 */
#include "loadgen.h"

#include <stdlib.h>
#include <string.h>

enum {
    PUSH = 1,
    PULL = 2,
    ACK = 3,
    ID_BYTES = 16,
    COUNT_BYTES = 4,
    HEAD_BYTES = 1 + COUNT_BYTES, /* of an answer: its status and its count */
    JOB_HEAD_BYTES = ID_BYTES + COUNT_BYTES,
};

/* Of the answer to a pull, what has not been given out. */
typedef struct {
    const char *job;
    size_t jobs_left, nothings_left;
} State;

static void compile(Command *command, char *words[], int word_count, size_t payload_bytes)
{
    bool names_queue = word_count >= 2 && strcmp(words[0], "ack") != 0;
    Buffer *head = &command->head;
    if (run.options.rate)
        fail("rustqueue does not go with --rate");
    if (word_count == 3 && strcmp(words[0], "push") == 0 && strcmp(words[2], "{payload}") == 0) {
        buffer_append_number(head, PUSH, 1);
        buffer_append_number(command_literal(command), payload_bytes, COUNT_BYTES);
        append_payload(command, payload_bytes);
    } else if (word_count == 2 && strcmp(words[0], "pull") == 0) {
        buffer_append_number(head, PULL, 1);
    } else if (word_count == 2 && argument_named(words[1]) == ARGUMENT_TAKEN) {
        buffer_append_number(head, ACK, 1);
        command_argument(command, ARGUMENT_TAKEN);
    } else {
        fail("'%s' is none of push QUEUE {payload}, pull QUEUE, ack {taken}", words[0]);
    }
    if (names_queue) {
        buffer_append_number(head, strlen(words[1]), 2);
        buffer_append_text(head, words[1]);
    }
}

static void open_batch(Buffer *out, const Command *command, size_t jobs)
{
    buffer_append(out, command->head.bytes, command->head.length);
    buffer_append_number(out, jobs, COUNT_BYTES);
}

static void close_batch(Buffer *out, const Command *command, size_t start)
{
    (void)out, (void)command, (void)start; /* the count at its front is all it needs */
}

static void append_argument(Buffer *out, const char *bytes, size_t length)
{
    buffer_append(out, bytes, length);
}

/* Return where the jobs of an answer end, NULL while they are incomplete. */
static const char *jobs_end(const char *job, const char *end, size_t count)
{
    for (; count > 0; count--) {
        if (end - job < JOB_HEAD_BYTES)
            return NULL;
        size_t length = number_at(job + ID_BYTES, COUNT_BYTES);
        job += JOB_HEAD_BYTES;
        if ((size_t)(end - job) < length)
            return NULL;
        job += length;
    }
    return job;
}

static const char *read_refusal(const char *at, const char *end, Answer *answer)
{
    answer->refusal = at + 3;
    answer->refusal_length = number_at(at + 1, 2);
    return (size_t)(end - answer->refusal) < answer->refusal_length
               ? NULL
               : answer->refusal + answer->refusal_length;
}

static const char *read_reply(Connection *connection, const char *at, const char *end,
                              Answer *answer)
{
    StepKind kind = run.steps[connection->step].kind;
    size_t asked = connection->replies_due;
    if (end - at < HEAD_BYTES)
        return NULL;
    if (*at != 0)
        return read_refusal(at, end, answer);
    size_t count = number_at(at + 1, COUNT_BYTES);
    const char *after = at + HEAD_BYTES;
    if (kind == STEP_TAKE) {
        State *state = connection->state;
        *state = (State){.job = after, .jobs_left = count, .nothings_left = asked - count};
        answer->count = 0;
        after = jobs_end(after, end, count);
    } else {
        if (count != asked)
            fail("RustQueue did %zu of the %zu jobs of a batch", count, asked);
        answer->count = count;
        answer->integer = 1;
        after += kind == STEP_PUSH ? count * ID_BYTES : COUNT_BYTES;
    }
    return after > end ? NULL : after;
}

static bool recall(Connection *connection, Answer *answer)
{
    State *state = connection->state;
    if (state->jobs_left > 0) {
        answer->taken = state->job;
        answer->taken_length = ID_BYTES;
        state->job += JOB_HEAD_BYTES + number_at(state->job + ID_BYTES, COUNT_BYTES);
        state->jobs_left--;
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

const Protocol rustqueue_protocol = {.name = "rustqueue",
                                     .compile = compile,
                                     .open_batch = open_batch,
                                     .close_batch = close_batch,
                                     .append_argument = append_argument,
                                     .read_reply = read_reply,
                                     .recall = recall,
                                     .greet = greet};
