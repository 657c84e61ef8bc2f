/* beanstalkd's text protocol, as far as put, reserve and delete need it.
 *
 * In a template {payload} stands for "<bytes>\r\n<data>", which is how put ends. A step's path is
 * one number: the word of the reply line to remember (`take:1` is the id of RESERVED).
 */
#include "loadgen.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void compile(Command *command, char *words[], int word_count, size_t payload_bytes)
{
    for (int i = 0; i < word_count; i++) {
        if (i > 0)
            buffer_append(command_literal(command), " ", 1);
        Argument argument = argument_named(words[i]);
        if (argument != ARGUMENT_NONE) {
            command_argument(command, argument);
        } else if (strcmp(words[i], "{payload}") == 0) {
            char size[32];
            int length = snprintf(size, sizeof size, "%zu\r\n", payload_bytes);
            buffer_append(command_literal(command), size, (size_t)length);
            append_payload(command, payload_bytes);
        } else {
            buffer_append(command_literal(command), words[i], strlen(words[i]));
        }
    }
    buffer_append(command_literal(command), "\r\n", 2);
}

static bool begins(const char *line, size_t length, const char *word)
{
    size_t word_length = strlen(word);
    return length >= word_length && memcmp(line, word, word_length) == 0;
}

static void take_word(const char *line, size_t length, int index, Answer *answer)
{
    const char *word = line, *end = line + length;
    for (; index > 0 && word; index--) {
        word = memchr(word, ' ', (size_t)(end - word));
        word = word ? word + 1 : NULL;
    }
    if (word == NULL)
        return;
    const char *blank = memchr(word, ' ', (size_t)(end - word));
    answer->taken = word;
    answer->taken_length = (size_t)((blank ? blank : end) - word);
}

static const char *read_reply(Connection *connection, const char *at, const char *end,
                              Answer *answer)
{
    const Step *step = &run.steps[connection->step];
    const char *newline = at < end ? memchr(at, '\n', (size_t)(end - at)) : NULL;
    if (newline == NULL)
        return NULL;
    const char *after = newline + 1;
    size_t length = newline > at ? (size_t)(newline - at - 1) : 0;

    if (begins(at, length, "RESERVED ")) {
        const char *size = newline;
        while (size[-1] != ' ')
            size--;
        long body = strtol(size, NULL, 10);
        if (end - after < body + 2)
            return NULL;
        answer->payload = after;
        answer->payload_length = (size_t)body;
        after += body + 2;
    } else if (begins(at, length, "DELETED")) {
        answer->integer = 1;
    } else if (begins(at, length, "TIMED_OUT")) {
        answer->empty = true;
    } else if (!begins(at, length, "INSERTED ")) {
        answer->refusal = at;
        answer->refusal_length = length;
    }
    if (step->path_length > 0)
        take_word(at, length, step->path[0], answer);
    return after;
}

static void append_argument(Buffer *out, const char *bytes, size_t length)
{
    buffer_append(out, bytes, length);
}

const Protocol beanstalk_protocol = {
    .name = "beanstalk", .compile = compile, .append_argument = append_argument, .read_reply = read_reply};
