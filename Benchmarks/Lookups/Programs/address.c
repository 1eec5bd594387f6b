#define _GNU_SOURCE
#include "address.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/un.h>

_Noreturn void fail(const char *message, const char *detail) {
    fprintf(stderr, "%s: %s: %s\n", program_invocation_short_name, message, detail);
    exit(2);
}

static struct address parse_path(const char *path) {
    struct address address = {.length = sizeof(struct sockaddr_un), .is_tcp = false};
    struct sockaddr_un *name = (struct sockaddr_un *)&address.storage;
    name->sun_family = AF_UNIX;
    if (strlen(path) >= sizeof name->sun_path) fail("path too long", path);
    strcpy(name->sun_path, path);
    return address;
}

struct address parse_address(const char *text) {
    if (strncmp(text, "unix:", 5) == 0) return parse_path(text + 5);
    char host[INET_ADDRSTRLEN];
    const char *colon = strrchr(text, ':');
    if (colon == NULL || (size_t)(colon - text) >= sizeof host) fail("expected 127.0.0.1:PORT or unix:PATH", text);
    snprintf(host, sizeof host, "%.*s", (int)(colon - text), text);
    struct address address = {.length = sizeof(struct sockaddr_in), .is_tcp = true};
    struct sockaddr_in *name = (struct sockaddr_in *)&address.storage;
    name->sin_family = AF_INET;
    name->sin_port = htons((uint16_t)parse_number("port", colon + 1, 1, 65535));
    bool is_address = inet_pton(AF_INET, host, &name->sin_addr) == 1;
    if (!is_address || ntohl(name->sin_addr.s_addr) >> 24 != 127) fail("expected a loopback address", text);
    return address;
}

long parse_number(const char *name, const char *text, long minimum, long maximum) {
    char *end;
    errno = 0;
    long number = strtol(text, &end, 10);
    if (errno != 0 || end == text || *end != 0 || number < minimum || number > maximum) fail(name, text);
    return number;
}

void raise_descriptor_limit(void) {
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) != 0) return;
    limit.rlim_cur = limit.rlim_max;
    setrlimit(RLIMIT_NOFILE, &limit);
}
