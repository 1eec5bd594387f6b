// The limit for first lookups: bare DNS queries and one HTTPS transfer for each domain, without a cache or checks.
//
//     first_lookup_client dns|policy|dane DNS-ADDRESS CA-FILE KEYS THREADS
//
// `policy` queries TXT and A and fetches the policy. `dane` also queries MX and TLSA. `dns` makes the queries of `dane`
// without the transfer: it measures the DNS server of the test network. Prints one line of JSON; `cpu` is in seconds.
//
// Protocol: DNS over UDP (RFC 1035), HTTPS with libcurl. A TLS session is not resumed, since each policy host is another.
// Concurrency: THREADS threads take domains in turn; each has a UDP socket and a handle of libcurl.
// Limits: each domain of KEYS once. A query has 10 seconds, a transfer 10, all of them 120.
// Security: queries and connects to loopback addresses only.
#define _GNU_SOURCE
#include "address.h"
#include "histogram.h"

#include <arpa/inet.h>
#include <curl/curl.h>
#include <errno.h>
#include <netinet/in.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/time.h>
#include <unistd.h>

enum { TYPE_A = 1, TYPE_MX = 15, TYPE_TXT = 16, TYPE_TLSA = 52, HEADER = 12, MESSAGE_SIZE = 4096, NAME_ERROR = 3, MAXIMUM_TRIES = 5 };
enum { MAXIMUM_THREADS = 512, MAXIMUM_DOMAINS = 1000000, NAME_SIZE = 300, POLICY_SIZE = 65536 };

struct worker {
    pthread_t thread;
    int descriptor;
    uint16_t identifier;
    CURL *handle;
    size_t policy_length;
    struct histogram latencies;
};

static char **domains;
static size_t domain_count;
static atomic_size_t next_domain;
static bool fetches, queries_dane;
static const char *ca_file;

// MARK: DNS

// Appends a name as labels. Returns its length.
static size_t put_name(uint8_t *message, const char *name) {
    size_t length = 0;
    for (const char *label = name; *label != 0;) {
        size_t octets = strcspn(label, ".");
        message[length++] = (uint8_t)octets;
        memcpy(message + length, label, octets);
        length += octets;
        label += octets + (label[octets] == '.');
    }
    message[length++] = 0;
    return length;
}

// Sends a query and receives its response. Returns the octets of the response. It repeats a query without a response: in
// the first pass the resolver validates each name.
static size_t ask(struct worker *worker, const char *name, uint16_t type, uint8_t *response) {
    uint8_t query[HEADER + NAME_SIZE + 4] = {[2] = 0x01, [5] = 1};
    worker->identifier++;
    query[0] = (uint8_t)(worker->identifier >> 8);
    query[1] = (uint8_t)worker->identifier;
    size_t length = HEADER + put_name(query + HEADER, name);
    memcpy(query + length, (uint8_t[]){0, (uint8_t)type, 0, 1}, 4);
    length += 4;
    for (int tries = 0; tries < MAXIMUM_TRIES; tries++) {
        if (send(worker->descriptor, query, length, 0) < 0) fail("DNS", strerror(errno));
        ssize_t count;
        while ((count = recv(worker->descriptor, response, MESSAGE_SIZE, 0)) >= 0) {
            if (count < HEADER || memcmp(response, query, 2) != 0) continue;
            int code = response[3] & 0x0f;
            if (code != 0 && code != NAME_ERROR) fail("DNS error", name);
            return (size_t)count;
        }
    }
    fail("no DNS response", name);
}

// The last four octets of a response with one A record are the address: this DNS server adds no other section.
static struct in_addr ask_address(struct worker *worker, const char *name) {
    uint8_t response[MESSAGE_SIZE];
    size_t length = ask(worker, name, TYPE_A, response);
    struct in_addr address;
    if (response[7] != 1 || length < HEADER + 4) fail("no address", name);
    memcpy(&address, response + length - 4, 4);
    if (ntohl(address.s_addr) >> 24 != 127) fail("not a loopback address", name);
    return address;
}

// MARK: HTTPS

static size_t count_policy(char *octets, size_t size, size_t count, void *context) {
    (void)octets;
    struct worker *worker = context;
    worker->policy_length += size * count;
    return worker->policy_length <= POLICY_SIZE ? size * count : 0;
}

static void fetch(struct worker *worker, const char *domain, struct in_addr address) {
    char url[NAME_SIZE], target[64], host[INET_ADDRSTRLEN];
    snprintf(url, sizeof url, "https://mta-sts.%s/.well-known/mta-sts.txt", domain);
    inet_ntop(AF_INET, &address, host, sizeof host);
    snprintf(target, sizeof target, "::%s:443", host);
    struct curl_slist *targets = curl_slist_append(NULL, target);
    worker->policy_length = 0;
    curl_easy_setopt(worker->handle, CURLOPT_URL, url);
    curl_easy_setopt(worker->handle, CURLOPT_CONNECT_TO, targets);
    CURLcode result = curl_easy_perform(worker->handle);
    if (result != CURLE_OK || worker->policy_length == 0) fail(url, curl_easy_strerror(result));
    curl_slist_free_all(targets);
}

// MARK: Threads

static void look_up(struct worker *worker, const char *domain) {
    char name[NAME_SIZE];
    uint8_t response[MESSAGE_SIZE];
    snprintf(name, sizeof name, "_mta-sts.%s", domain);
    ask(worker, name, TYPE_TXT, response);
    if (queries_dane) {
        ask(worker, domain, TYPE_MX, response);
        snprintf(name, sizeof name, "_25._tcp.mx.%s", domain);
        ask(worker, name, TYPE_TLSA, response);
    }
    snprintf(name, sizeof name, "mta-sts.%s", domain);
    struct in_addr address = ask_address(worker, name);
    if (fetches) fetch(worker, domain, address);
}

static void *run(void *context) {
    struct worker *worker = context;
    for (;;) {
        size_t index = atomic_fetch_add(&next_domain, 1);
        if (index >= domain_count) return NULL;
        uint64_t start = monotonic_nanoseconds();
        look_up(worker, domains[index]);
        histogram_add(&worker->latencies, monotonic_nanoseconds() - start);
    }
}

static void prepare(struct worker *worker, const struct address *server) {
    worker->descriptor = socket(server->storage.ss_family, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    struct timeval timeout = {.tv_sec = 2};
    setsockopt(worker->descriptor, SOL_SOCKET, SO_RCVTIMEO, &timeout, sizeof timeout);
    if (connect(worker->descriptor, (const struct sockaddr *)&server->storage, server->length) != 0)
        fail("connect", strerror(errno));
    worker->handle = curl_easy_init();
    curl_easy_setopt(worker->handle, CURLOPT_CAINFO, ca_file);
    curl_easy_setopt(worker->handle, CURLOPT_CAPATH, NULL);
    curl_easy_setopt(worker->handle, CURLOPT_FORBID_REUSE, 1L);
    curl_easy_setopt(worker->handle, CURLOPT_SSL_SESSIONID_CACHE, 0L);
    curl_easy_setopt(worker->handle, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(worker->handle, CURLOPT_PROXY, "");
    curl_easy_setopt(worker->handle, CURLOPT_FAILONERROR, 1L);
    curl_easy_setopt(worker->handle, CURLOPT_TIMEOUT, 10L);
    curl_easy_setopt(worker->handle, CURLOPT_WRITEFUNCTION, count_policy);
    curl_easy_setopt(worker->handle, CURLOPT_WRITEDATA, worker);
}

static void read_domains(const char *path) {
    FILE *file = fopen(path, "r");
    if (file == NULL) fail("cannot read", path);
    domains = calloc(MAXIMUM_DOMAINS, sizeof *domains);
    char *line = NULL;
    size_t capacity = 0;
    while (domain_count < MAXIMUM_DOMAINS && getline(&line, &capacity, file) > 0) {
        line[strcspn(line, "\n")] = 0;
        if (strlen(line) > NAME_SIZE / 2) fail("name too long", line);
        domains[domain_count++] = strdup(line);
    }
    free(line);
    fclose(file);
}

static double processor_seconds(void) {
    struct rusage usage;
    getrusage(RUSAGE_SELF, &usage);
    return (double)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec)
        + (double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e6;
}

static void print_result(const struct histogram *latencies, double seconds, double processor) {
    printf("{\"requests\":%lu,\"seconds\":%.4f,\"perSecond\":%.1f", latencies->count, seconds,
        (double)latencies->count / seconds);
    printf(",\"p50\":%.1f,\"p99\":%.1f,\"cpu\":%.4f}\n", histogram_percentile(latencies, 0.5),
        histogram_percentile(latencies, 0.99), processor);
}

int main(int count, char **arguments) {
    if (count != 6) fail("usage", "first_lookup_client dns|policy|dane DNS-ADDRESS CA-FILE KEYS THREADS");
    fetches = strcmp(arguments[1], "dns") != 0;
    queries_dane = strcmp(arguments[1], "policy") != 0;
    struct address server = parse_address(arguments[2]);
    ca_file = arguments[3];
    read_domains(arguments[4]);
    long threads = parse_number("threads", arguments[5], 1, MAXIMUM_THREADS);
    prctl(PR_SET_PDEATHSIG, SIGTERM);
    alarm(120);
    curl_global_init(CURL_GLOBAL_DEFAULT);
    struct worker *workers = calloc((size_t)threads, sizeof *workers);
    struct histogram *latencies = calloc(1, sizeof *latencies);
    for (long index = 0; index < threads; index++) prepare(&workers[index], &server);
    double processor = processor_seconds();
    uint64_t start = monotonic_nanoseconds();
    for (long index = 0; index < threads; index++) pthread_create(&workers[index].thread, NULL, run, &workers[index]);
    for (long index = 0; index < threads; index++) {
        pthread_join(workers[index].thread, NULL);
        histogram_merge(latencies, &workers[index].latencies);
    }
    print_result(latencies, (double)(monotonic_nanoseconds() - start) / 1e9, processor_seconds() - processor);
}
