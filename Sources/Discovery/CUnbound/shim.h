#include <sys/syscall.h>
#include <unbound.h>
#include <unistd.h>

/// An empty file in memory, without a name, closed on exec; -1 and errno on failure. Glibc's module hides memfd_create(2).
static inline int sts_unbound_memory_file(void) {
    return (int)syscall(SYS_memfd_create, "unbound.conf", 1u /* MFD_CLOEXEC */);
}
