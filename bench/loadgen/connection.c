/* One connection: its bytes, and its walk through the steps. */
#include "loadgen.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { READ_BYTES = 64 * 1024, GREETING_SECONDS_MAX = 30, SAID_BYTES_MAX = 1024 };

uint64_t clock_ns(void)
{
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (uint64_t)time.tv_sec * 1000000000u + (uint64_t)time.tv_nsec;
}

void watch(int operation, int fd, uint32_t events, void *data)
{
    struct epoll_event event = {.events = events, .data.ptr = data};
    if (epoll_ctl(run.epoll_fd, operation, fd, &event) < 0)
        fail("epoll_ctl: %s", strerror(errno));
}

void connection_flush(Connection *connection)
{
    Buffer *out = &connection->out;
    while (out->start < out->length) {
        ssize_t sent =
            send(connection->fd, out->bytes + out->start, out->length - out->start, MSG_NOSIGNAL);
        if (sent < 0 && errno != EAGAIN && errno != EINTR)
            fail("send: %s", strerror(errno));
        if (sent < 0 && errno == EAGAIN)
            break;
        out->start += sent > 0 ? (size_t)sent : 0;
    }
    bool blocked = out->start < out->length;
    if (!blocked)
        buffer_clear(out);
    if (blocked != connection->waits_to_write) {
        connection->waits_to_write = blocked;
        watch(EPOLL_CTL_MOD, connection->fd, blocked ? EPOLLIN | EPOLLOUT : EPOLLIN, connection);
    }
}

/* Jobs stay with their queue through the steps of a round, if each take finds something. */
static void append_queue(Connection *connection, size_t job)
{
    char name[STAMP_BYTES + 2];
    uint64_t number = (connection->first_job + job) % (uint64_t)run.options.queues;
    int length = snprintf(name, sizeof name, "q%" PRIu64, number);
    run.options.protocol->append_argument(&connection->out, name, (size_t)length);
}

static void append_command(Connection *connection, const Command *command, size_t job)
{
    Buffer *out = &connection->out;
    for (int i = 0; i < command->piece_count; i++) {
        const Piece *piece = &command->pieces[i];
        buffer_append(out, piece->literal.bytes, piece->literal.length);
        if (piece->argument == ARGUMENT_TAKEN) {
            size_t from = job ? connection->taken_ends[job - 1] : 0;
            run.options.protocol->append_argument(out, connection->taken.bytes + from,
                                                  connection->taken_ends[job] - from);
        } else if (piece->argument == ARGUMENT_CONNECTION) {
            run.options.protocol->append_argument(out, connection->name,
                                                  (size_t)connection->name_length);
        } else if (piece->argument == ARGUMENT_STAMP) {
            append_stamp(out, connection->due_ns);
        } else if (piece->argument == ARGUMENT_SERIAL) {
            append_stamp(out, run.serial++);
        } else if (piece->argument == ARGUMENT_QUEUE) {
            append_queue(connection, job);
        }
    }
}

static void append_step(Connection *connection, const Step *step)
{
    const Command *first = &step->commands[0];
    bool is_batch = first->head.length > 0;
    size_t start = connection->out.length;
    if (is_batch)
        run.options.protocol->open_batch(&connection->out, first, connection->step_jobs);
    for (size_t job = 0; job < connection->step_jobs; job++)
        for (int i = 0; i < step->command_count; i++)
            append_command(connection, &step->commands[i], job);
    if (is_batch)
        run.options.protocol->close_batch(&connection->out, first, start);
}

static size_t answered_commands(const Step *step)
{
    size_t count = 0;
    for (int i = 0; i < step->command_count; i++)
        count += !step->commands[i].is_unanswered;
    return count;
}

static bool recall_replies(Connection *connection);
static void end_step(Connection *connection);

static void begin_step(Connection *connection)
{
    const Step *step = &run.steps[connection->step];
    connection->step_jobs =
        step->kind == STEP_ACK ? connection->taken_count : connection->round_jobs;
    if (step->kind == STEP_TAKE) {
        connection->taken_count = 0;
        buffer_clear(&connection->taken);
    }
    append_step(connection, step);
    connection->replies_due = connection->step_jobs * answered_commands(step);
    connection->replies_seen = 0;
    connection->sent_ns = clock_ns();
    connection_flush(connection);
    recall_replies(connection); /* what came before the step began may be all that it waits for */
    if (connection->replies_seen == connection->replies_due)
        end_step(connection);
}

void connection_begin_round(Connection *connection)
{
    uint64_t jobs = (uint64_t)run.options.pipeline;
    if (jobs > run.unstarted_jobs)
        jobs = run.unstarted_jobs;
    bool ends = run.stage == ENDING && run.options.rate == 0; /* consumers take what is left */
    if (jobs == 0 || ends) {
        close(connection->fd);
        run.active_count--;
        return;
    }
    if (run.options.count)
        run.unstarted_jobs -= jobs;
    connection->round_jobs = (size_t)jobs;
    connection->first_job = run.started_jobs;
    run.started_jobs += jobs;
    connection->step = run.first_step;
    begin_step(connection);
}

/* Send the push that is due, behind those that wait for their replies. */
void connection_push(Connection *connection, uint64_t push, uint64_t due_ns)
{
    connection->first_job = push;
    connection->due_ns = due_ns;
    append_command(connection, &run.steps[0].commands[0], 0);
    connection->replies_due++;
    connection_flush(connection);
}

/* Connections join one by one, each when another has ended a step. Were they to begin together,
 * the server would serve waves of nothing but pushes, then of pops, then of acks, and a run of a
 * few waves would count one wave of acks more or less. */
void connection_join_next(void)
{
    if (run.joined_count == run.options.connections)
        return;
    run.active_count++;
    connection_begin_round(&run.connections[run.joined_count++]);
}

static void end_step(Connection *connection)
{
    Step *step = &run.steps[connection->step];
    if (run.stage == MEASURING && connection->replies_due == 0) {
        run.finished_jobs += connection->step == run.step_count - 1 ? connection->step_jobs : 0;
    } else if (run.stage == MEASURING) {
        uint64_t took_ns = clock_ns() - connection->sent_ns;
        histogram_add(&step->round_trips, took_ns);
        step->round_trip_ns += took_ns;
        step->answered_count += connection->replies_due;
    }
    connection_join_next();
    connection->step++;
    bool over = connection->step == run.step_count;
    if (!over && run.steps[connection->step].kind == STEP_ACK && connection->taken_count == 0)
        over = true; /* every take found nothing, so there is nothing to acknowledge */
    if (over)
        connection_begin_round(connection);
    else
        begin_step(connection);
}

static void check(const Step *step, const Answer *answer)
{
    if (answer->refusal)
        fail("%s was refused: %.*s", step_kind_names[step->kind], (int)answer->refusal_length,
             answer->refusal);
    if (step->kind == STEP_PUSH && answer->empty)
        fail("push was answered with null");
    if (step->kind == STEP_TAKE && !answer->empty && !answer->taken)
        fail("the answer of a take holds nothing at the step's path");
    if (step->kind == STEP_ACK && answer->integer != 1)
        fail("ack acknowledged nothing (answer %lld)", (long long)answer->integer);
}

static void accept_answer(Connection *connection, const Answer *answer)
{
    const Step *step = &run.steps[connection->step];
    check(step, answer);
    if (step->kind == STEP_TAKE && answer->empty) {
        run.empty_takes += run.stage == MEASURING;
    } else if (step->kind == STEP_TAKE) {
        buffer_append(&connection->taken, answer->taken, answer->taken_length);
        connection->taken_ends[connection->taken_count++] = connection->taken.length;
    }
    connection->replies_seen++;
    bool job_over = connection->step == run.step_count - 1 && !answer->empty &&
                    connection->replies_seen % answered_commands(step) == 0;
    run.finished_jobs += job_over && run.stage == MEASURING;
    if (run.options.rate)
        schedule_accept(connection, answer, job_over);
}

/* Accept what the protocol holds back; true when that is something. */
static bool recall_replies(Connection *connection)
{
    bool (*recall)(Connection *, Answer *) = run.options.protocol->recall;
    bool any = false;
    for (;;) {
        Answer answer = {.integer = -1, .count = 1};
        if (recall == NULL || !recall(connection, &answer))
            return any;
        accept_answer(connection, &answer);
        any = true;
    }
}

/* Take what the socket has; false when that is nothing. */
static bool receive(Connection *connection)
{
    Buffer *in = &connection->in;
    buffer_reserve(in, READ_BYTES);
    ssize_t got = recv(connection->fd, in->bytes + in->length, in->capacity - in->length, 0);
    if (got == 0)
        fail("the server closed a connection");
    if (got < 0 && errno != EAGAIN && errno != EINTR)
        fail("recv: %s", strerror(errno));
    in->length += got > 0 ? (size_t)got : 0;
    if (run.options.protocol->acknowledges_at_once) {
        int one = 1;
        setsockopt(connection->fd, IPPROTO_TCP, TCP_QUICKACK, &one, sizeof one);
    }
    return got > 0;
}

/* Accept all whole replies that are there; true when one was. */
static bool read_replies(Connection *connection)
{
    Buffer *in = &connection->in;
    const char *end = in->bytes + in->length;
    bool any = false;
    while (in->start < in->length) {
        Answer answer = {.integer = -1, .count = 1};
        const char *after =
            run.options.protocol->read_reply(connection, in->bytes + in->start, end, &answer);
        if (after == NULL)
            break;
        in->start = (size_t)(after - in->bytes);
        if (answer.aside) {
            connection_say(connection, "%s", answer.aside);
            continue;
        }
        if (connection->replies_seen + answer.count > connection->replies_due)
            fail("the server sent more replies than it got commands");
        for (size_t i = 0; i < answer.count; i++)
            accept_answer(connection, &answer);
        any |= answer.count > 0;
        any |= recall_replies(connection);
    }
    return any;
}

void connection_read(Connection *connection)
{
    if (!receive(connection))
        return;
    bool any = read_replies(connection);
    Buffer *in = &connection->in;
    if (in->start == in->length) {
        buffer_clear(in);
    } else if (in->start > 0) {
        memmove(in->bytes, in->bytes + in->start, in->length - in->start);
        in->length -= in->start;
        in->start = 0;
    }
    if (any && connection->replies_seen == connection->replies_due && !connection->is_producer)
        end_step(connection);
}

/* Send a text that belongs to no step. */
void connection_say(Connection *connection, const char *format, ...)
{
    char text[SAID_BYTES_MAX];
    va_list arguments;
    va_start(arguments, format);
    int length = vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    if (length >= SAID_BYTES_MAX)
        fail("a greeting of more than %d bytes", SAID_BYTES_MAX - 1);
    buffer_append(&connection->out, text, (size_t)length);
    connection_flush(connection);
}

/* Return the server's next line without its end, while the connection still blocks; it is good
 * until the next is heard. */
const char *connection_hear(Connection *connection)
{
    Buffer *in = &connection->in;
    char *newline = NULL;
    while (newline == NULL) {
        if (in->length > in->start)
            newline = memchr(in->bytes + in->start, '\n', in->length - in->start);
        if (newline == NULL && !receive(connection))
            fail("the server did not greet within %d s", GREETING_SECONDS_MAX);
    }
    char *line = in->bytes + in->start;
    in->start = (size_t)(newline + 1 - in->bytes);
    newline[newline > line && newline[-1] == '\r' ? -1 : 0] = '\0';
    return line;
}

/* Return the server's next bytes in the same way. */
const char *connection_hear_bytes(Connection *connection, size_t count)
{
    Buffer *in = &connection->in;
    while (in->length - in->start < count)
        if (!receive(connection))
            fail("the server did not greet within %d s", GREETING_SECONDS_MAX);
    in->start += count;
    return in->bytes + in->start - count;
}

void connection_open(Connection *connection, int number)
{
    struct sockaddr_in address = {.sin_family = AF_INET,
                                  .sin_port = htons((uint16_t)run.options.port),
                                  .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    struct timeval patience = {.tv_sec = GREETING_SECONDS_MAX};
    int one = 1;
    connection->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (connection->fd < 0 ||
        connect(connection->fd, (struct sockaddr *)&address, sizeof address) < 0)
        fail("connection %d: %s", number, strerror(errno));
    setsockopt(connection->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    setsockopt(connection->fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    connection->name_length = snprintf(connection->name, sizeof connection->name, "%d", number);
    connection->taken_ends = calloc((size_t)run.options.pipeline, sizeof(size_t));
    if (run.options.protocol->greet)
        run.options.protocol->greet(connection);
    fcntl(connection->fd, F_SETFL, O_NONBLOCK);
    watch(EPOLL_CTL_ADD, connection->fd, EPOLLIN, connection);
}
