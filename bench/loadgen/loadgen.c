/* A load generator for queue servers: one thread, epoll, no dependencies.
 *
 *     loadgen --port 6379 --connections 50 --pipeline 50 --seconds 2 \
 *         --step 'push=LPUSH jobs {payload}'
 *
 * It walks every connection through the workload's steps (loadgen.h), checks every reply, and
 * prints one line of JSON. A reply that refuses, an ack that did nothing or a silent server ends
 * the run with status 1 and the reason in that line: a rate of errors is no rate.
 *
 * With --seconds, a warm-up goes first; when the time is up each connection ends its round, so
 * that a cycle leaves nothing behind, but only what was finished in time is counted. With --count
 * exactly that many jobs go through, without warm-up: this is also how a queue is filled.
 *
 * With --rate and --consumers it measures latency under a fixed load (schedule.c).
 *
 * With --process it tells the processor time of a process while it measured: not while clients
 * connected, warmed up and left.
 */
#include "loadgen.h"

#include <errno.h>
#include <getopt.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <time.h>

enum { EVENTS_MAX = 1024, SILENCE_MS = 30000, RATE_MAX = 1000000 };

static const Protocol *const protocols[] = {&resp_protocol, &beanstalk_protocol, &nats_protocol,
                                           &faktory_protocol, &amqp_protocol,
                                           &rustqueue_protocol, &qrusty_http_protocol,
                                           &qrusty_websocket_protocol, &queued_protocol};

Run run = {.options = {.connections = 50, .pipeline = 1, .payload_bytes = 64,
                       .warm_up_seconds = 0.3},
           .unstarted_jobs = UINT64_MAX};
static uint64_t now_ns, joined_ns, start_ns, end_ns, drained_ns;
static double start_cpu_seconds, end_cpu_seconds;
static double start_process_seconds, end_process_seconds;

_Noreturn void fail(const char *format, ...)
{
    char reason[512];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(reason, sizeof reason, format, arguments);
    va_end(arguments);
    for (char *at = reason; *at; at++)
        if (*at == '"' || *at == '\\' || (unsigned char)*at < ' ')
            *at = '\'';
    printf("{\"errors\": 1, \"reason\": \"%s\"}\n", reason);
    exit(1);
}

static double cpu_seconds(void)
{
    struct rusage usage;
    getrusage(RUSAGE_SELF, &usage);
    return (double)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) +
           (double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e6;
}

static double process_seconds(void)
{
    clockid_t clock;
    struct timespec time = {0};
    if (run.options.process && (clock_getcpuclockid(run.options.process, &clock) != 0 ||
                                clock_gettime(clock, &time) < 0))
        fail("process %d is not there", run.options.process);
    return (double)time.tv_sec + (double)time.tv_nsec / 1e9;
}

static void enter_stage(Stage next)
{
    run.stage = next;
    if (next == MEASURING) {
        start_ns = now_ns;
        start_cpu_seconds = cpu_seconds();
        start_process_seconds = process_seconds();
    } else {
        end_ns = now_ns;
        end_cpu_seconds = cpu_seconds();
        end_process_seconds = process_seconds();
    }
}

/* Move on when the clock says so, which starts when all connections have joined. A counted run is
 * all measured and ends by itself. */
static void follow_clock(void)
{
    if (run.options.count || run.joined_count < run.options.connections)
        return;
    if (joined_ns == 0)
        joined_ns = now_ns;
    uint64_t warm_ns = joined_ns + (uint64_t)(run.options.warm_up_seconds * 1e9);
    uint64_t over_ns = start_ns + (uint64_t)(run.options.seconds * 1e9);
    if (run.stage == WARMING_UP && now_ns >= warm_ns)
        enter_stage(MEASURING);
    else if (run.stage == MEASURING && now_ns >= over_ns)
        enter_stage(ENDING);
}

static void walk(void)
{
    struct epoll_event events[EVENTS_MAX];
    now_ns = clock_ns();
    if (run.options.count)
        enter_stage(MEASURING);
    if (run.options.rate)
        schedule_begin();
    else
        connection_join_next();
    while (run.options.rate ? !schedule_is_over() : run.active_count > 0) {
        int ready = epoll_wait(run.epoll_fd, events, EVENTS_MAX, SILENCE_MS);
        if (ready < 0 && errno != EINTR)
            fail("epoll_wait: %s", strerror(errno));
        if (ready == 0)
            fail("no reply for %d s", SILENCE_MS / 1000);
        now_ns = clock_ns();
        follow_clock();
        for (int i = 0; i < ready; i++) {
            Connection *connection = events[i].data.ptr;
            if (connection == NULL) {
                schedule_tick();
                continue;
            }
            if (run.options.rate)
                schedule_send_due(); /* a push that is due does not wait for a row of replies */
            if (events[i].events & EPOLLOUT)
                connection_flush(connection);
            if (events[i].events & ~(uint32_t)EPOLLOUT)
                connection_read(connection);
        }
    }
    drained_ns = now_ns = clock_ns();
    if (run.stage != ENDING)
        enter_stage(ENDING);
}

static void report_steps(double seconds)
{
    static Histogram all;
    uint64_t answered = 0;
    for (int i = 0; i < run.step_count; i++) {
        histogram_merge(&all, &run.steps[i].round_trips);
        answered += run.steps[i].answered_count;
    }
    printf(", \"commands_per_second\": %.1f, \"round_trip_p50_us\": %.1f, "
           "\"round_trip_p99_us\": %.1f, \"empty_takes\": %llu, \"steps\": [",
           (double)answered / seconds, (double)histogram_quantile(&all, 0.50) / 1e3,
           (double)histogram_quantile(&all, 0.99) / 1e3, (unsigned long long)run.empty_takes);
    for (int i = 0; i < run.step_count; i++) {
        const Step *step = &run.steps[i];
        double commands = step->answered_count ? (double)step->answered_count : 1;
        printf("%s{\"kind\": \"%s\", \"commands\": %llu, \"round_trip_p50_us\": %.1f, "
               "\"round_trip_p99_us\": %.1f, \"us_per_command\": %.4f}",
               i ? ", " : "", step_kind_names[step->kind],
               (unsigned long long)step->answered_count,
               (double)histogram_quantile(&step->round_trips, 0.50) / 1e3,
               (double)histogram_quantile(&step->round_trips, 0.99) / 1e3,
               (double)step->round_trip_ns / commands / 1e3);
    }
    printf("]");
}

static void report(void)
{
    double seconds = (double)(end_ns - start_ns) / 1e9;
    printf("{\"errors\": 0, \"jobs\": %llu, \"seconds\": %.4f, \"drain_seconds\": %.4f, "
           "\"jobs_per_second\": %.1f, \"generator_cpu\": %.3f",
           (unsigned long long)run.finished_jobs, seconds, (double)(drained_ns - end_ns) / 1e9,
           (double)run.finished_jobs / seconds, (end_cpu_seconds - start_cpu_seconds) / seconds);
    if (run.options.process)
        printf(", \"process_cpu_seconds\": %.6f", end_process_seconds - start_process_seconds);
    if (run.options.rate)
        schedule_report();
    else
        report_steps(seconds);
    printf("}\n");
}

static const Protocol *protocol_named(const char *name)
{
    for (size_t i = 0; i < sizeof protocols / sizeof *protocols; i++)
        if (strcmp(protocols[i]->name, name) == 0)
            return protocols[i];
    fail("unknown protocol '%s'", name);
}

static void read_options(int count, char *arguments[])
{
    static const struct option known[] = {
        {"port", required_argument, NULL, 'p'},
        {"protocol", required_argument, NULL, 't'},
        {"connections", required_argument, NULL, 'c'},
        {"pipeline", required_argument, NULL, 'P'},
        {"payload-bytes", required_argument, NULL, 'b'},
        {"seconds", required_argument, NULL, 's'},
        {"warm-up", required_argument, NULL, 'w'},
        {"count", required_argument, NULL, 'n'},
        {"idle", required_argument, NULL, 'i'},
        {"queues", required_argument, NULL, 'q'},
        {"process", required_argument, NULL, 'o'},
        {"rate", required_argument, NULL, 'r'},
        {"consumers", required_argument, NULL, 'C'},
        {"step", required_argument, NULL, 'x'},
        {0},
    };
    Options *options = &run.options;
    const char *texts[STEPS_MAX];
    options->protocol = &resp_protocol;
    options->queues = 1;
    for (int option; (option = getopt_long(count, arguments, "", known, NULL)) != -1;) {
        switch (option) {
        case 'p': options->port = atoi(optarg); break;
        case 't': options->protocol = protocol_named(optarg); break;
        case 'c': options->connections = atoi(optarg); break;
        case 'P': options->pipeline = atoi(optarg); break;
        case 'b': options->payload_bytes = strtoull(optarg, NULL, 10); break;
        case 's': options->seconds = atof(optarg); break;
        case 'w': options->warm_up_seconds = atof(optarg); break;
        case 'n': options->count = strtoull(optarg, NULL, 10); break;
        case 'i': options->idle = atoi(optarg); break;
        case 'q': options->queues = atoi(optarg); break;
        case 'o': options->process = atoi(optarg); break;
        case 'r': options->rate = atoi(optarg); break;
        case 'C': options->consumers = atoi(optarg); break;
        case 'x':
            if (run.step_count == STEPS_MAX)
                fail("more than %d steps", STEPS_MAX);
            texts[run.step_count++] = optarg;
            break;
        default: exit(2);
        }
    }
    if (options->port <= 0 || options->connections <= 0 || options->pipeline <= 0 ||
        options->queues <= 0 || run.step_count == 0)
        fail("needed: --port, --step, and at least one connection, queue and job in flight");
    if ((options->seconds > 0) == (options->count > 0))
        fail("needed: either --seconds or --count");
    for (int i = 0; i < run.step_count; i++)
        step_compile(&run.steps[i], options->protocol, texts[i], options->payload_bytes);
    for (int i = 0; i < run.step_count && run.steps[i].kind != STEP_TAKE; i++)
        if (run.steps[i].kind == STEP_ACK)
            fail("an ack step needs a take step before it");
    if (options->rate < 0 || options->rate > RATE_MAX)
        fail("--rate is at most %d", RATE_MAX);
    if ((options->rate > 0) != (options->consumers > 0) || (options->rate && options->count))
        fail("--rate and --consumers go together, and with --seconds");
    if (options->count)
        run.unstarted_jobs = options->count;
}

int main(int count, char *arguments[])
{
    read_options(count, arguments);
    struct rlimit files;
    getrlimit(RLIMIT_NOFILE, &files);
    files.rlim_cur = files.rlim_max;
    setrlimit(RLIMIT_NOFILE, &files);

    run.epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    int total = run.options.connections + run.options.consumers + run.options.idle;
    run.connections = calloc((size_t)total, sizeof *run.connections);
    if (run.epoll_fd < 0 || run.connections == NULL)
        fail("cannot begin: %s", strerror(errno));
    for (int i = 0; i < total; i++)
        connection_open(&run.connections[i], i);
    walk();
    report();
    return 0;
}
