// The limit for hits: parses each request and answers with a constant.
//
//     echo_server ADDRESS
//
// Protocol: socketmap_table(5).
// Concurrency: one thread, one epoll instance. All requests of one read are answered with one write.
// Limits: requests of 4,080 octets; it closes a connection that sends a longer or malformed one.
// Security: listens on loopback or a unix socket only.
#define _GNU_SOURCE
#include "address.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/un.h>
#include <unistd.h>

enum { INPUT_SIZE = 4096, OUTPUT_SIZE = 65536, EVENTS = 512, MAXIMUM_DIGITS = 6 };

static const char reply[] = "52:OK secure match=mx.d1000.example servername=hostname,";
enum { REPLY_LENGTH = sizeof reply - 1 };

struct connection {
    int descriptor;
    size_t length;
    char input[INPUT_SIZE];
};

static char output[OUTPUT_SIZE];

// The octets of the first request in `text`: 0 if it is not complete, -1 if it is malformed.
static long request_length(const char *text, size_t length) {
    size_t digits = 0, payload = 0;
    while (digits < length && digits < MAXIMUM_DIGITS && text[digits] >= '0' && text[digits] <= '9')
        payload = payload * 10 + (size_t)(text[digits++] - '0');
    if (digits == length) return 0;
    if (digits == 0 || text[digits] != ':' || payload > INPUT_SIZE - 16) return -1;
    size_t total = digits + 1 + payload + 1;
    if (length < total) return 0;
    const char *start = text + digits + 1;
    return start[payload] == ',' && memchr(start, ' ', payload) != NULL ? (long)total : -1;
}

// Waits for a client that does not read: no benchmark sends more requests than it reads replies.
static int send_all(int descriptor, size_t length) {
    for (size_t sent = 0; sent < length;) {
        ssize_t count = send(descriptor, output + sent, length - sent, MSG_NOSIGNAL);
        if (count < 0 && errno == EAGAIN) {
            usleep(100);
        } else if (count < 0) {
            return -1;
        } else {
            sent += (size_t)count;
        }
    }
    return 0;
}

// Answers all complete requests. Returns -1 if the connection has to end.
static int answer(struct connection *connection) {
    size_t position = 0, length = 0;
    while (position < connection->length && length + REPLY_LENGTH <= OUTPUT_SIZE) {
        long request = request_length(connection->input + position, connection->length - position);
        if (request < 0) return -1;
        if (request == 0) break;
        position += (size_t)request;
        memcpy(output + length, reply, REPLY_LENGTH);
        length += REPLY_LENGTH;
    }
    connection->length -= position;
    memmove(connection->input, connection->input + position, connection->length);
    return send_all(connection->descriptor, length);
}

static void receive(struct connection *connection) {
    ssize_t count = recv(
        connection->descriptor, connection->input + connection->length, INPUT_SIZE - connection->length, 0);
    if (count < 0 && (errno == EAGAIN || errno == EINTR)) return;
    if (count > 0) {
        connection->length += (size_t)count;
        if (answer(connection) == 0) return;
    }
    close(connection->descriptor);
    free(connection);
}

static void accept_all(int listener, int queue, bool is_tcp) {
    int descriptor, on = 1;
    while ((descriptor = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC)) >= 0) {
        if (is_tcp) setsockopt(descriptor, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
        struct connection *connection = malloc(sizeof *connection);
        if (connection == NULL) fail("malloc", strerror(errno));
        connection->descriptor = descriptor;
        connection->length = 0;
        struct epoll_event event = {.events = EPOLLIN, .data.ptr = connection};
        epoll_ctl(queue, EPOLL_CTL_ADD, descriptor, &event);
    }
}

static int listen_on(const struct address *address) {
    int listener = socket(address->storage.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0), on = 1;
    setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    if (!address->is_tcp) unlink(((const struct sockaddr_un *)&address->storage)->sun_path);
    if (bind(listener, (const struct sockaddr *)&address->storage, address->length) != 0 || listen(listener, 4096) != 0)
        fail("listen", strerror(errno));
    return listener;
}

int main(int count, char **arguments) {
    if (count != 2) fail("usage", "echo_server ADDRESS");
    struct address address = parse_address(arguments[1]);
    // It ends with the process that started it.
    prctl(PR_SET_PDEATHSIG, SIGTERM);
    raise_descriptor_limit();
    int listener = listen_on(&address), queue = epoll_create1(EPOLL_CLOEXEC);
    struct epoll_event events[EVENTS], accepting = {.events = EPOLLIN, .data.ptr = NULL};
    epoll_ctl(queue, EPOLL_CTL_ADD, listener, &accepting);
    for (;;) {
        int ready = epoll_wait(queue, events, EVENTS, -1);
        for (int index = 0; index < ready; index++) {
            if (events[index].data.ptr == NULL) {
                accept_all(listener, queue, address.is_tcp);
            } else {
                receive(events[index].data.ptr);
            }
        }
    }
}
