/* From a step's text to its compiled form.
 *
 *     push=QPUSH jobs {payload}
 *     take:1=QPOP jobs                 remember element 1 of the reply, once for each job
 *     take=LMOVE jobs {connection} RIGHT LEFT      remember the reply itself
 *     ack=XACK jobs g {taken} ; XDEL jobs {taken}
 *
 * A step is KIND[:PATH]=COMMAND[ ; COMMAND]. Words are parted by blanks. {payload}, {taken},
 * {connection} (its number, a consumer's name), {queue} (the name of one of --queues) and, in the
 * Redis protocol, {serial} (a number that rises) must be words of their own. PATH is indexes into nested replies, parted by dots.
 */
#include "loadgen.h"

#include <stdlib.h>
#include <string.h>

const char *const step_kind_names[] = {"push", "take", "ack"};

Argument argument_named(const char *word)
{
    if (strcmp(word, "{taken}") == 0)
        return ARGUMENT_TAKEN;
    if (strcmp(word, "{connection}") == 0)
        return ARGUMENT_CONNECTION;
    if (strcmp(word, "{queue}") == 0)
        return ARGUMENT_QUEUE;
    return ARGUMENT_NONE;
}

static Piece *open_piece(Command *command)
{
    if (command->piece_count > 0) {
        Piece *last = &command->pieces[command->piece_count - 1];
        if (last->argument == ARGUMENT_NONE)
            return last;
    }
    return &command->pieces[command->piece_count++];
}

Buffer *command_literal(Command *command)
{
    return &open_piece(command)->literal;
}

void command_argument(Command *command, Argument argument)
{
    open_piece(command)->argument = argument;
}

void append_payload(Command *command, size_t payload_bytes)
{
    if (run.options.rate) {
        if (payload_bytes < STAMP_BYTES)
            fail("with a rate a payload has at least %d bytes", STAMP_BYTES);
        command_argument(command, ARGUMENT_STAMP);
        payload_bytes -= STAMP_BYTES;
    }
    Buffer *buffer = command_literal(command);
    buffer_reserve(buffer, payload_bytes);
    for (size_t i = 0; i < payload_bytes; i++)
        buffer->bytes[buffer->length++] = (char)('a' + i % 26);
}

static const char *read_kind(Step *step, const char *text)
{
    for (int kind = STEP_PUSH; kind <= STEP_ACK; kind++) {
        size_t length = strlen(step_kind_names[kind]);
        if (strncmp(text, step_kind_names[kind], length) == 0) {
            step->kind = (StepKind)kind;
            return text + length;
        }
    }
    fail("step '%s' begins with none of push, take, ack", text);
}

static const char *read_path(Step *step, const char *text)
{
    char separator = ':';
    while (*text == separator && step->path_length < PATH_DEPTH_MAX) {
        char *end;
        step->path[step->path_length++] = (int)strtol(text + 1, &end, 10);
        text = end;
        separator = '.';
    }
    return text;
}

static void compile_command(Step *step, const Protocol *protocol, char *text, size_t payload_bytes)
{
    char *words[WORDS_MAX], *rest = NULL;
    int count = 0;
    for (char *word = strtok_r(text, " ", &rest); word; word = strtok_r(NULL, " ", &rest)) {
        if (count == WORDS_MAX)
            fail("a command of more than %d words", WORDS_MAX);
        words[count++] = word;
    }
    if (count == 0)
        fail("a step holds an empty command");
    if (step->command_count == STEP_COMMANDS_MAX)
        fail("a step of more than %d commands", STEP_COMMANDS_MAX);
    Command *command = &step->commands[step->command_count++];
    protocol->compile(command, words, count, payload_bytes);
    for (int i = 0; i < command->piece_count; i++)
        if (command->pieces[i].argument == ARGUMENT_TAKEN && step->kind != STEP_ACK)
            fail("{taken} belongs into an ack step");
}

void step_compile(Step *step, const Protocol *protocol, const char *text, size_t payload_bytes)
{
    const char *at = read_path(step, read_kind(step, text));
    if (*at != '=')
        fail("step '%s' is not KIND[:PATH]=COMMAND", text);
    char *commands = strdup(at + 1), *rest = NULL;
    for (char *one = strtok_r(commands, ";", &rest); one; one = strtok_r(NULL, ";", &rest))
        compile_command(step, protocol, one, payload_bytes);
    free(commands);
    if (step->command_count == 0)
        fail("step '%s' holds no command", text);
    if (step->kind == STEP_TAKE && step->command_count != 1)
        fail("step '%s' takes by more than one command", text);
}
