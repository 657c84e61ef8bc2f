/* A fixed load: pushes that leave by the clock, and consumers that wait for them in blocking takes.
 *
 *     loadgen --port 6379 --rate 20000 --connections 50 --consumers 100 --seconds 2 \
 *         --step 'push=LPUSH jobs {payload}' --step 'take:1=BRPOP jobs 0'
 *
 * The pushes are due at even intervals. The producing connections take turns at them, and a push
 * leaves at its instant though earlier ones are unanswered: a slow server meets the load that a
 * fast one does. All is counted from the instant at which the push was due, so that a stall is
 * felt by every push that fell into it, and the generator's own delay is no gain to anyone:
 *
 *     due        sent           answered      read by a consumer
 *      |-- late --|                 |                 |
 *      |----------- push -----------|                 |
 *      |---------------- push to pop ----------------|
 *
 * The payload begins with that instant, and the instant says which push it was: a job that comes
 * twice, or that nobody pushed, ends the run. A consumer walks the steps after the push, one job
 * a round; with {queue} both go round the queues, so that with as many queues as consumers each
 * queue has one that waits. Pushes of the warm-up are sent and taken as all others but count in no histogram. The
 * run ends when every job has gone through, however late; the consumers then wait again, and are
 * closed.
 */
#include "loadgen.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/timerfd.h>
#include <unistd.h>

enum { LEAD_NS = 100 * 1000 * 1000 }; /* in which the consumers come to wait */

static struct {
    uint64_t first_ns, interval_ns;
    uint64_t push_count, unmeasured_count; /* to send in all; of these, those of the warm-up */
    uint64_t sent, answered, finished;
    uint64_t sent_in_time; /* measured pushes that left before the last interval ended */
    bool *is_taken; /* for each push */
    int timer_fd;
    Histogram late, push, push_to_pop;
} schedule;

static uint64_t due_ns(uint64_t push)
{
    return schedule.first_ns + push * schedule.interval_ns;
}

static void count(Histogram *histogram, uint64_t push)
{
    if (push >= schedule.unmeasured_count)
        histogram_add(histogram, clock_ns() - due_ns(push));
}

static void check_steps(void)
{
    bool fits = run.step_count >= 2 && run.steps[0].kind == STEP_PUSH &&
                run.steps[0].command_count == 1 && run.steps[1].kind == STEP_TAKE &&
                run.options.pipeline == 1;
    for (int i = 2; i < run.step_count; i++)
        fits &= run.steps[i].kind == STEP_ACK;
    if (!fits)
        fail("--rate needs one push of one command, then a take, then acks; no pipeline");
}

/* A periodic timerfd is exact to what the kernel can do; a timeout of epoll_wait is in
 * milliseconds and has the thread's timer slack. Spinning until the instant brings the median
 * delay of a push from 30 us to 18, but on a machine of two processors it takes one from the
 * server, and its p99 rose several times: Redis' from 1 to 4 ms at 5,000 jobs a second. */
static void start_timer(void)
{
    struct itimerspec times = {
        .it_value = {.tv_sec = (time_t)(schedule.first_ns / 1000000000u),
                     .tv_nsec = (long)(schedule.first_ns % 1000000000u)},
        .it_interval = {.tv_sec = (time_t)(schedule.interval_ns / 1000000000u),
                        .tv_nsec = (long)(schedule.interval_ns % 1000000000u)},
    };
    schedule.timer_fd = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
    if (schedule.timer_fd < 0 ||
        timerfd_settime(schedule.timer_fd, TFD_TIMER_ABSTIME, &times, NULL) < 0)
        fail("timerfd: %s", strerror(errno));
    watch(EPOLL_CTL_ADD, schedule.timer_fd, EPOLLIN, NULL);
}

void schedule_begin(void)
{
    check_steps();
    double rate = run.options.rate;
    schedule.interval_ns = (uint64_t)(1e9 / rate);
    schedule.unmeasured_count = (uint64_t)(rate * run.options.warm_up_seconds);
    schedule.push_count = schedule.unmeasured_count + (uint64_t)(rate * run.options.seconds);
    schedule.is_taken = calloc(schedule.push_count, sizeof *schedule.is_taken);
    if (schedule.is_taken == NULL)
        fail("out of memory for %" PRIu64 " pushes", schedule.push_count);

    run.first_step = 1;
    run.joined_count = run.options.connections; /* the warm-up begins with the first tick */
    for (int i = 0; i < run.options.connections; i++)
        run.connections[i].is_producer = true;
    for (int i = 0; i < run.options.consumers; i++)
        connection_begin_round(&run.connections[run.options.connections + i]);
    schedule.first_ns = clock_ns() + LEAD_NS;
    start_timer();
}

void schedule_tick(void)
{
    uint64_t expirations; /* unused: what is due is what the clock says; reading arms it anew */
    if (read(schedule.timer_fd, &expirations, sizeof expirations) < 0 && errno != EAGAIN)
        fail("timerfd: %s", strerror(errno));
    schedule_send_due();
}

void schedule_send_due(void)
{
    uint64_t producers = (uint64_t)run.options.connections;
    while (schedule.sent < schedule.push_count && due_ns(schedule.sent) <= clock_ns()) {
        uint64_t push = schedule.sent++;
        count(&schedule.late, push);
        connection_push(&run.connections[push % producers], push, due_ns(push));
        schedule.sent_in_time +=
            push >= schedule.unmeasured_count && clock_ns() < due_ns(schedule.push_count);
        if (schedule.sent == schedule.push_count)
            watch(EPOLL_CTL_DEL, schedule.timer_fd, 0, NULL);
    }
}

void append_stamp(Buffer *buffer, uint64_t stamp)
{
    char digits[STAMP_BYTES + 1];
    snprintf(digits, sizeof digits, "%0*" PRIu64, STAMP_BYTES, stamp);
    buffer_append(buffer, digits, STAMP_BYTES);
}

static uint64_t stamped_push(const Answer *answer)
{
    uint64_t stamp = 0;
    if (answer->payload == NULL || answer->payload_length != run.options.payload_bytes)
        fail("a take was answered without the payload that was pushed");
    for (int i = 0; i < STAMP_BYTES; i++)
        stamp = stamp * 10 + (uint64_t)(answer->payload[i] - '0');
    uint64_t push = (stamp - schedule.first_ns) / schedule.interval_ns;
    if (stamp < schedule.first_ns || push >= schedule.sent || due_ns(push) != stamp)
        fail("a job was taken that this run did not push");
    return push;
}

static void accept_job(const Answer *answer)
{
    if (answer->empty)
        fail("a blocking take came back with nothing");
    uint64_t push = stamped_push(answer);
    if (schedule.is_taken[push])
        fail("a job was taken twice");
    schedule.is_taken[push] = true;
    count(&schedule.push_to_pop, push);
}

/* Replies come in the order of the commands, so a producer's n-th reply is for its n-th turn. */
void schedule_accept(const Connection *connection, const Answer *answer, bool job_over)
{
    if (connection->is_producer) {
        uint64_t turn = connection->replies_seen - 1, number = connection - run.connections;
        count(&schedule.push, turn * (uint64_t)run.options.connections + number);
        schedule.answered++;
    } else if (run.steps[connection->step].kind == STEP_TAKE) {
        accept_job(answer);
    }
    schedule.finished += job_over;
}

bool schedule_is_over(void)
{
    return schedule.answered == schedule.push_count && schedule.finished == schedule.push_count;
}

static void report_latency(const char *name, const Histogram *histogram)
{
    printf(", \"%s\": {\"count\": %" PRIu64 ", \"p50_us\": %.1f, \"p90_us\": %.1f, "
           "\"p99_us\": %.1f, \"p999_us\": %.1f, \"max_us\": %.1f}",
           name, histogram->total, (double)histogram_quantile(histogram, 0.50) / 1e3,
           (double)histogram_quantile(histogram, 0.90) / 1e3,
           (double)histogram_quantile(histogram, 0.99) / 1e3,
           (double)histogram_quantile(histogram, 0.999) / 1e3, (double)histogram->greatest / 1e3);
}

void schedule_report(void)
{
    printf(", \"pushes\": %" PRIu64 ", \"planned\": %" PRIu64 ", \"sent\": %" PRIu64,
           schedule.push_count, schedule.push_count - schedule.unmeasured_count,
           schedule.sent_in_time);
    report_latency("late", &schedule.late);
    report_latency("push", &schedule.push);
    report_latency("push_to_pop", &schedule.push_to_pop);
}
