#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>

// A macro of several flags, which Swift does not import.
static const unsigned long sts_name_on_one_line = XN_FLAG_ONELINE;
