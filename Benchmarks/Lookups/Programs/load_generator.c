// Sends lookups to a table server and measures replies per second and latency.
//
//     load_generator --address ADDRESS --keys FILE [--map NAME] [--connections N] [--depth N] [--seconds S]
//                    [--warmup-ms MS] [--requests N] [--order uniform|sequential] [--check]
//
// Each connection has `--depth` requests outstanding (closed loop); 1 is lockstep, as Postfix does it. Latency begins
// before the write of a request. It ends when epoll reported its reply, or after the read if `--depth` is more than 1.
// Prints one line of JSON. Exits with status 1 if a connection ended or a reply was malformed.
//
// Protocol: socketmap_table(5).
// Concurrency: one thread, one epoll instance.
// Limits: `--seconds`, with `--requests` also that number of requests. A hard limit ends the process 30 seconds later.
// Security: connects to loopback or a unix socket only.
#define _GNU_SOURCE
#include "address.h"
#include "histogram.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <unistd.h>

enum { INPUT_SIZE = 131072, EVENTS = 1024, MAXIMUM_KEY = 255, SHOWN_REPLY = 200 };

struct options {
    struct address address;
    const char *keys, *map;
    long connections, depth, seconds, warmup, requests;
    bool sequential, check;
};

// One request as octets, and the key inside of it.
struct request {
    char *octets;
    size_t length;
    const char *key;
    size_t key_length;
};

struct outstanding {
    uint64_t sent;
    size_t request;
};

struct connection {
    int descriptor;
    // A ring of `depth` requests; `first` is the oldest.
    struct outstanding *outstanding;
    long first, count;
    size_t input_length;
    char *input;
    char *output;
};

enum status { OK, NOT_FOUND, TEMPORARY, PERMANENT, MALFORMED, STATUSES };
static const char *const status_names[STATUSES] = {"OK", "NOTFOUND", "TEMP", "PERM", "malformed"};

static struct options options;
static struct request *requests;
static size_t request_count, next_request, longest_request;
static uint64_t random_state = 88172645463325252u;

// Times in nanoseconds.
static uint64_t measured_from, measured_until, last_reply;
static long issued, answered, mismatches;
static long statuses[STATUSES];
static struct histogram latencies;
static char sample[SHOWN_REPLY + 1];

// MARK: Requests

static void add_request(const char *key, size_t length) {
    if (length == 0 || length > MAXIMUM_KEY) fail("a key is empty or too long", options.keys);
    if ((request_count & (request_count - 1)) == 0)
        requests = realloc(requests, (request_count ? request_count * 2 : 1) * sizeof *requests);
    struct request *request = &requests[request_count++];
    int total = asprintf(
        &request->octets, "%zu:%s %.*s,", strlen(options.map) + 1 + length, options.map, (int)length, key);
    if (total < 0) fail("memory", strerror(errno));
    request->length = (size_t)total;
    request->key = request->octets + request->length - 1 - length;
    request->key_length = length;
    if (request->length > longest_request) longest_request = request->length;
}

static void read_keys(void) {
    FILE *file = fopen(options.keys, "r");
    if (file == NULL) fail("cannot read", options.keys);
    char *line = NULL;
    size_t capacity = 0;
    ssize_t length;
    while ((length = getline(&line, &capacity, file)) > 0) add_request(line, (size_t)length - (line[length - 1] == '\n'));
    free(line);
    fclose(file);
    if (request_count == 0) fail("no keys", options.keys);
}

// xorshift64*, which costs less than the request.
static size_t choose_request(void) {
    if (options.sequential) return next_request++ % request_count;
    random_state ^= random_state >> 12;
    random_state ^= random_state << 25;
    random_state ^= random_state >> 27;
    return (size_t)(((random_state * 2685821657736338717u) >> 32) * request_count >> 32);
}

static void send_all(struct connection *connection, size_t length) {
    for (size_t sent = 0; sent < length;) {
        ssize_t count = send(connection->descriptor, connection->output + sent, length - sent, MSG_NOSIGNAL);
        if (count < 0 && errno != EAGAIN && errno != EINTR) fail("send", strerror(errno));
        if (count > 0) sent += (size_t)count;
    }
}

// Sends requests until `depth` are outstanding.
static void fill(struct connection *connection) {
    uint64_t now = monotonic_nanoseconds();
    size_t length = 0;
    while (connection->count < options.depth && now < measured_until) {
        if (options.requests > 0 && issued == options.requests) break;
        issued++;
        size_t chosen = choose_request();
        memcpy(connection->output + length, requests[chosen].octets, requests[chosen].length);
        length += requests[chosen].length;
        long slot = (connection->first + connection->count++) % options.depth;
        connection->outstanding[slot] = (struct outstanding){.sent = now, .request = chosen};
    }
    send_all(connection, length);
}

// MARK: Replies

static enum status status_of(const char *reply, size_t length) {
    for (enum status status = OK; status < MALFORMED; status++) {
        size_t name = strlen(status_names[status]);
        if (length > name && memcmp(reply, status_names[status], name) == 0 && reply[name] == ' ') return status;
    }
    return MALFORMED;
}

static void take_reply(struct connection *connection, const char *reply, size_t length, uint64_t now) {
    if (connection->count == 0) fail("a reply without a request", reply);
    struct outstanding outstanding = connection->outstanding[connection->first];
    connection->first = (connection->first + 1) % options.depth;
    connection->count--;
    answered++;
    last_reply = now;
    if (sample[0] == 0) snprintf(sample, sizeof sample, "%.*s", (int)(length < SHOWN_REPLY ? length : SHOWN_REPLY), reply);
    enum status status = status_of(reply, length);
    const struct request *request = &requests[outstanding.request];
    if (options.check && status == OK && memmem(reply, length, request->key, request->key_length) == NULL) mismatches++;
    // With a number of requests, all of them count.
    if (options.requests == 0 && (now < measured_from || now > measured_until)) return;
    statuses[status]++;
    histogram_add(&latencies, now - outstanding.sent);
}

// Takes each complete reply of the input.
static void take_replies(struct connection *connection, uint64_t now) {
    size_t position = 0;
    while (position < connection->input_length) {
        const char *text = connection->input + position;
        size_t available = connection->input_length - position, digits = 0, payload = 0;
        while (digits < available && digits < 7 && text[digits] >= '0' && text[digits] <= '9')
            payload = payload * 10 + (size_t)(text[digits++] - '0');
        if (digits == available) break;
        if (digits == 0 || text[digits] != ':' || payload > INPUT_SIZE - 16) fail("malformed reply", text);
        if (available < digits + payload + 2) break;
        take_reply(connection, text + digits + 1, payload, now);
        position += digits + payload + 2;
    }
    connection->input_length -= position;
    memmove(connection->input, connection->input + position, connection->input_length);
}

static void receive(struct connection *connection, uint64_t reported) {
    char *end = connection->input + connection->input_length;
    ssize_t count = recv(connection->descriptor, end, INPUT_SIZE - connection->input_length - 1, 0);
    if (count < 0 && (errno == EAGAIN || errno == EINTR)) return;
    if (count <= 0) fail("the server closed a connection", count < 0 ? strerror(errno) : "end of file");
    connection->input_length += (size_t)count;
    connection->input[connection->input_length] = 0;
    take_replies(connection, options.depth == 1 ? reported : monotonic_nanoseconds());
    fill(connection);
}

// MARK: Connections

static struct connection *connect_one(int queue) {
    struct connection *connection = calloc(1, sizeof *connection);
    connection->outstanding = calloc((size_t)options.depth, sizeof *connection->outstanding);
    connection->input = malloc(INPUT_SIZE);
    connection->output = malloc((size_t)options.depth * longest_request);
    connection->descriptor = socket(options.address.storage.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    const struct sockaddr *name = (const struct sockaddr *)&options.address.storage;
    if (connect(connection->descriptor, name, options.address.length) != 0) fail("connect", strerror(errno));
    int on = 1;
    if (options.address.is_tcp) setsockopt(connection->descriptor, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    struct linger reset = {.l_onoff = 1, .l_linger = 0};
    // A reset at the end: thousands of connections in TIME_WAIT would change the next round.
    setsockopt(connection->descriptor, SOL_SOCKET, SO_LINGER, &reset, sizeof reset);
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = connection};
    epoll_ctl(queue, EPOLL_CTL_ADD, connection->descriptor, &event);
    return connection;
}

static bool is_finished(void) {
    if (options.requests > 0 && answered == options.requests) return true;
    return monotonic_nanoseconds() > measured_until;
}

static void run(void) {
    int queue = epoll_create1(EPOLL_CLOEXEC);
    struct connection **connections = calloc((size_t)options.connections, sizeof *connections);
    for (long index = 0; index < options.connections; index++) connections[index] = connect_one(queue);
    measured_from = monotonic_nanoseconds() + (uint64_t)options.warmup * 1000000;
    measured_until = measured_from + (uint64_t)options.seconds * 1000000000;
    for (long index = 0; index < options.connections; index++) fill(connections[index]);
    struct epoll_event events[EVENTS];
    while (!is_finished()) {
        int ready = epoll_wait(queue, events, EVENTS, 100);
        uint64_t now = monotonic_nanoseconds();
        for (int index = 0; index < ready; index++) receive(events[index].data.ptr, now);
    }
}

// MARK: Command line and result

static void print_text(const char *text) {
    putchar('"');
    for (; *text != 0; text++) printf(*text >= ' ' && *text <= '~' && *text != '"' && *text != '\\' ? "%c" : "\\u%04x", (unsigned char)*text);
    putchar('"');
}

static void print_result(void) {
    uint64_t until = options.requests > 0 && last_reply > 0 ? last_reply : measured_until;
    uint64_t from = options.requests > 0 ? measured_from - (uint64_t)options.warmup * 1000000 : measured_from;
    double seconds = (double)(until - from) / 1e9;
    printf("{\"requests\":%lu,\"seconds\":%.4f,\"perSecond\":%.1f", latencies.count, seconds, (double)latencies.count / seconds);
    printf(",\"p50\":%.2f,\"p99\":%.2f,\"maximum\":%.2f", histogram_percentile(&latencies, 0.5),
        histogram_percentile(&latencies, 0.99), (double)latencies.maximum / 1000);
    printf(",\"answered\":%ld,\"mismatches\":%ld,\"replies\":{", answered, mismatches);
    for (enum status status = OK; status < STATUSES; status++)
        printf("%s\"%s\":%ld", status == OK ? "" : ",", status_names[status], statuses[status]);
    printf("},\"sample\":");
    print_text(sample);
    printf("}\n");
}

static void parse_option(const char *name, const char *value) {
    if (strcmp(name, "--address") == 0) options.address = parse_address(value);
    else if (strcmp(name, "--keys") == 0) options.keys = value;
    else if (strcmp(name, "--map") == 0) options.map = value;
    else if (strcmp(name, "--connections") == 0) options.connections = parse_number(name, value, 1, 10000);
    else if (strcmp(name, "--depth") == 0) options.depth = parse_number(name, value, 1, 1024);
    else if (strcmp(name, "--seconds") == 0) options.seconds = parse_number(name, value, 1, 600);
    else if (strcmp(name, "--warmup-ms") == 0) options.warmup = parse_number(name, value, 0, 10000);
    else if (strcmp(name, "--requests") == 0) options.requests = parse_number(name, value, 1, 10000000);
    else if (strcmp(name, "--order") == 0) options.sequential = strcmp(value, "sequential") == 0;
    else fail("unknown option", name);
}

int main(int count, char **arguments) {
    options = (struct options){.map = "QUERY", .connections = 1, .depth = 1, .seconds = 3};
    for (int index = 1; index < count; index++) {
        if (strcmp(arguments[index], "--check") == 0) options.check = true;
        else if (index + 1 == count) fail("an option without its value", arguments[index]);
        else parse_option(arguments[index], arguments[index + 1]), index++;
    }
    if (options.keys == NULL || options.address.length == 0) fail("required", "--address and --keys");
    read_keys();
    raise_descriptor_limit();
    prctl(PR_SET_PDEATHSIG, SIGTERM);
    alarm((unsigned)(options.seconds + options.warmup / 1000 + 30));
    run();
    print_result();
    return statuses[MALFORMED] > 0 || mismatches > 0;
}
