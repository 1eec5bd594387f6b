// libcurl for Swift. curl_easy_setopt and curl_easy_getinfo are variadic, which Swift cannot call: one inline per
// argument type. curl's own type checks are macros over the variadic form and are of no use here.
#define CURL_DISABLE_TYPECHECK
#include <curl/curl.h>

static inline CURLcode sts_curl_set_long(CURL *easy, CURLoption option, long value) {
    return curl_easy_setopt(easy, option, value);
}

// curl copies the string; NULL takes back a built-in default.
static inline CURLcode sts_curl_set_string(CURL *easy, CURLoption option, const char *value) {
    return curl_easy_setopt(easy, option, value);
}

static inline CURLcode sts_curl_set_pointer(CURL *easy, CURLoption option, void *value) {
    return curl_easy_setopt(easy, option, value);
}

static inline CURLcode sts_curl_set_list(CURL *easy, CURLoption option, struct curl_slist *value) {
    return curl_easy_setopt(easy, option, value);
}

static inline CURLcode sts_curl_set_receiver(CURL *easy, CURLoption option, curl_write_callback value) {
    return curl_easy_setopt(easy, option, value);
}

static inline CURLcode sts_curl_set_tls_setup(CURL *easy, curl_ssl_ctx_callback value) {
    return curl_easy_setopt(easy, CURLOPT_SSL_CTX_FUNCTION, value);
}

// Only https, whatever the URL says. The option was renamed in 7.85.
static inline CURLcode sts_curl_set_https_only(CURL *easy) {
#if LIBCURL_VERSION_NUM >= 0x075500
    return curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "https");
#else
    return curl_easy_setopt(easy, CURLOPT_PROTOCOLS, (long)CURLPROTO_HTTPS);
#endif
}

// Only http: for a unix socket, whose permissions protect it.
static inline CURLcode sts_curl_set_http_only(CURL *easy) {
#if LIBCURL_VERSION_NUM >= 0x075500
    return curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "http");
#else
    return curl_easy_setopt(easy, CURLOPT_PROTOCOLS, (long)CURLPROTO_HTTP);
#endif
}

// How long the multi handle keeps the parsed CA file. Before 7.87 it is parsed for each connection.
static inline CURLcode sts_curl_set_ca_cache_seconds(CURL *easy, long seconds) {
#if LIBCURL_VERSION_NUM >= 0x075700
    return curl_easy_setopt(easy, CURLOPT_CA_CACHE_TIMEOUT, seconds);
#else
    (void)easy, (void)seconds;
    return CURLE_OK;
#endif
}

// For CURLOPT_NETRC. An enumeration constant until 8.11, a macro since (Debian 13): Swift reads them differently.
static const long sts_curl_netrc_ignored = (long)CURL_NETRC_IGNORED;

static inline CURLcode sts_curl_get_long(CURL *easy, CURLINFO info, long *value) {
    return curl_easy_getinfo(easy, info, value);
}

// The ending of a transfer, out of the union of CURLMsg.
static inline CURLcode sts_curl_message_result(const CURLMsg *message) {
    return message->data.result;
}
