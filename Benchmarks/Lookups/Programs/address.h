// The address of a server on this host.
//
// Errors: each function ends the process with status 2 and a message on standard error.
// Security: accepts 127.0.0.0/8 and unix sockets only, so no benchmark sends anything to another host.
#ifndef ADDRESS_H
#define ADDRESS_H

#include <stdbool.h>
#include <sys/socket.h>

struct address {
    struct sockaddr_storage storage;
    socklen_t length;
    bool is_tcp;
};

// Parses `127.0.0.1:PORT` or `unix:PATH`.
struct address parse_address(const char *text);

// Prints `PROGRAM: message` and exits with status 2.
_Noreturn void fail(const char *message, const char *detail);

// The number in `text`, if it is in `minimum ... maximum`.
long parse_number(const char *name, const char *text, long minimum, long maximum);

// Raises the soft limit of open files to the hard limit.
void raise_descriptor_limit(void);

#endif
