/* What the files of the load generator share.
 *
 * A workload is a list of steps that every connection walks in rounds. A step is one or more
 * command templates; with a pipeline of P a connection writes the step's commands for P jobs at
 * once, reads all their replies, and goes on to the next step. So P is the number of jobs, and
 * for a step of one command the number of commands, in flight on a connection.
 *
 * With a rate the pushes leave the walk: they are sent by the clock (schedule.c), and only the
 * consumers walk, through the steps after the push.
 *
 * A protocol turns a template's words into bytes and bytes into answers. It is a `Protocol` in a
 * file of its own, listed in `protocols` in loadgen.c; nothing else knows the wire.
 */
#ifndef LOADGEN_H
#define LOADGEN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "histogram.h"

enum {
    PATH_DEPTH_MAX = 8,    /* XREADGROUP's id lies 4 deep */
    STEP_COMMANDS_MAX = 4, /* XACK + XDEL are two */
    STEPS_MAX = 8,
    STAMP_BYTES = 20, /* the digits of any uint64_t */
    WORDS_MAX = 64, /* of one command template */
};

/* Bytes that grow; `start` is where what is unread or unsent begins. */
typedef struct {
    char *bytes;
    size_t start, length, capacity;
} Buffer;

void buffer_reserve(Buffer *buffer, size_t more);
void buffer_append(Buffer *buffer, const char *bytes, size_t length);
void buffer_append_text(Buffer *buffer, const char *text);
void buffer_clear(Buffer *buffer);

/* The last `bytes` bytes of a number, and the number they are: big-endian. */
void buffer_append_number(Buffer *buffer, uint64_t value, size_t bytes);
uint64_t number_at(const char *at, size_t bytes);

/* Find the text between what opens it and the next quote; NULL where there is none. */
const char *find_quoted(const char *json, size_t json_length, const char *opening, size_t *length);

/* A template compiled: literal bytes of any length, then at most one argument, and so on. STAMP is
 * the first bytes of a payload: the instant at which its push was due. SERIAL is a number that no
 * other command of the run has, for a protocol whose clients name the jobs. QUEUE is the name of
 * one of `queues` queues, q0 and so on: the jobs of the run go round them. */
typedef enum {
    ARGUMENT_NONE,
    ARGUMENT_TAKEN,
    ARGUMENT_CONNECTION,
    ARGUMENT_STAMP,
    ARGUMENT_SERIAL,
    ARGUMENT_QUEUE,
} Argument;

typedef struct {
    Buffer literal;
    Argument argument;
} Piece;

typedef struct {
    Piece pieces[WORDS_MAX + 1]; /* a literal after the last argument */
    int piece_count;
    bool is_unanswered; /* the protocol has no reply to it */
    /* Where one request is for all jobs of a step: what goes before their pieces, and after. */
    Buffer head, tail;
} Command;

/* What a step's replies must be, for the run to count: PUSH anything but null or an error; TAKE a
 * reply whose `path` is remembered for {taken}, or the protocol's "nothing there"; ACK exactly 1,
 * since an acknowledgement that did nothing is not one. */
typedef enum { STEP_PUSH, STEP_TAKE, STEP_ACK } StepKind;

typedef struct {
    StepKind kind;
    int path[PATH_DEPTH_MAX], path_length;
    Command commands[STEP_COMMANDS_MAX];
    int command_count;
    Histogram round_trips;    /* from a step's first byte out to its last reply, in ns */
    uint64_t answered_count;  /* commands, while measuring */
    uint64_t round_trip_ns;   /* the sum of round_trips */
} Step;

/* One reply, as far as any step asks about it. Texts point into the connection's input. */
typedef struct {
    const char *refusal; /* the error's text, else NULL */
    size_t refusal_length;
    const char *taken; /* what lies at the step's path, else NULL */
    size_t taken_length;
    const char *payload; /* of a job that was taken; else NULL */
    size_t payload_length;
    int64_t integer; /* -1 when the reply is no integer */
    bool empty;
    size_t count; /* of commands that it answers: 1, if the protocol does not say another */
    const char *aside; /* what to send at once, for these bytes are no reply (a ping); else NULL */
} Answer;

typedef struct Connection Connection;

typedef struct {
    const char *name;
    /* Append to `command` the template's `words`; {payload} is `payload_bytes` long. */
    void (*compile)(Command *command, char *words[], int word_count, size_t payload_bytes);
    /* Begin and complete the request of a command with a head, at `start` of `out`; NULL where no
     * command has one. */
    void (*open_batch)(Buffer *out, const Command *command, size_t jobs);
    void (*close_batch)(Buffer *out, const Command *command, size_t start);
    /* Append what is only known when the command is sent. */
    void (*append_argument)(Buffer *out, const char *bytes, size_t length);
    /* Read one reply from [at, end); return where it ends, NULL while it is incomplete. */
    const char *(*read_reply)(Connection *connection, const char *at, const char *end,
                              Answer *answer);
    /* Give out a reply that came before it was waited for, or together with others; false when
     * there is none. NULL where the server does neither. */
    bool (*recall)(Connection *connection, Answer *answer);
    /* Exchange what a new connection must before its first command, while it still blocks, by
     * connection_say and connection_hear; NULL where there is nothing to say. */
    void (*greet)(Connection *connection);
    /* Have the kernel acknowledge what comes without its usual wait of 40 ms. For a server that
     * sends its replies one by one and leaves Nagle's algorithm on, which waits for that. */
    bool acknowledges_at_once;
} Protocol;

extern const Protocol resp_protocol;
extern const Protocol beanstalk_protocol;
extern const Protocol nats_protocol;
extern const Protocol faktory_protocol;
extern const Protocol amqp_protocol;
extern const Protocol rustqueue_protocol;
extern const Protocol qrusty_http_protocol;
extern const Protocol qrusty_websocket_protocol;
extern const Protocol queued_protocol;

struct Connection {
    int fd;
    char name[12]; /* the connection's number, for {connection} */
    int name_length;
    int step;
    size_t round_jobs, step_jobs; /* of this round; of this step */
    uint64_t first_job;           /* of this round, counted over the run, for {queue} */
    size_t replies_due, replies_seen; /* of this step; of a producer's whole life */
    uint64_t sent_ns;
    bool is_producer; /* it does not walk: it pushes by the clock */
    uint64_t due_ns;  /* when the push that it sends was due, for the stamp */
    bool waits_to_write;
    Buffer in, out;
    Buffer taken; /* one after the other, each ending at its taken_ends */
    size_t *taken_ends, taken_count;
    void *state; /* the protocol's own */
};

typedef enum { WARMING_UP, MEASURING, ENDING } Stage;

typedef struct {
    int port, connections, pipeline, idle, queues;
    int consumers, rate; /* pushes a second by the clock; 0 is a walk without one */
    size_t payload_bytes;
    double seconds, warm_up_seconds;
    uint64_t count;
    const Protocol *protocol;
    int process; /* whose processor time is told; 0 is nobody's */
} Options;

/* The one run of this process. */
typedef struct {
    Options options;
    Step steps[STEPS_MAX];
    int step_count;
    int epoll_fd;
    Connection *connections; /* those of the workload, then the consumers, then the idle ones */
    int first_step;          /* of the walk */
    int joined_count, active_count; /* that ever walked; that still walk */
    Stage stage;
    uint64_t unstarted_jobs;             /* of a counted run */
    uint64_t serial;                     /* of the next command that has one */
    uint64_t started_jobs;               /* in rounds that began */
    uint64_t finished_jobs, empty_takes; /* while measuring */
} Run;

extern Run run;

/* steps.c */
extern const char *const step_kind_names[];
void step_compile(Step *step, const Protocol *protocol, const char *text, size_t payload_bytes);
Argument argument_named(const char *word);
Buffer *command_literal(Command *command);
void command_argument(Command *command, Argument argument);
void append_payload(Command *command, size_t payload_bytes);

/* connection.c */
uint64_t clock_ns(void);
void watch(int operation, int fd, uint32_t events, void *data);
void connection_open(Connection *connection, int number);
void connection_join_next(void);
void connection_begin_round(Connection *connection);
void connection_push(Connection *connection, uint64_t push, uint64_t due_ns);
void connection_read(Connection *connection);
void connection_flush(Connection *connection);
void connection_say(Connection *connection, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
const char *connection_hear(Connection *connection);
const char *connection_hear_bytes(Connection *connection, size_t count);

/* schedule.c */
void schedule_begin(void);
void schedule_tick(void);
void schedule_send_due(void);
void schedule_accept(const Connection *connection, const Answer *answer, bool job_over);
bool schedule_is_over(void);
void schedule_report(void);
void append_stamp(Buffer *buffer, uint64_t stamp);

/* loadgen.c: print the reason as the run's JSON line and leave with status 1. */
_Noreturn void fail(const char *format, ...) __attribute__((format(printf, 1, 2)));

#endif
