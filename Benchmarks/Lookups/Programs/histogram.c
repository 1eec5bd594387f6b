#define _GNU_SOURCE
#include "histogram.h"

#include <time.h>

static unsigned bucket_of(uint64_t nanoseconds) {
    if (nanoseconds < HISTOGRAM_STEPS) return (unsigned)nanoseconds;
    unsigned exponent = 63u - (unsigned)__builtin_clzll(nanoseconds);
    if (exponent >= HISTOGRAM_MAXIMUM_BITS) return HISTOGRAM_BUCKETS - 1;
    unsigned shift = exponent - HISTOGRAM_STEP_BITS;
    return (shift + 1) * HISTOGRAM_STEPS + (unsigned)((nanoseconds >> shift) & (HISTOGRAM_STEPS - 1));
}

static double middle_of(unsigned bucket) {
    if (bucket < HISTOGRAM_STEPS) return bucket;
    unsigned shift = bucket / HISTOGRAM_STEPS - 1;
    uint64_t width = 1ull << shift;
    uint64_t start = (HISTOGRAM_STEPS + (uint64_t)(bucket % HISTOGRAM_STEPS)) * width;
    return (double)start + (double)(width - 1) / 2;
}

void histogram_add(struct histogram *histogram, uint64_t nanoseconds) {
    histogram->buckets[bucket_of(nanoseconds)]++;
    histogram->count++;
    if (nanoseconds > histogram->maximum) histogram->maximum = nanoseconds;
}

void histogram_merge(struct histogram *histogram, const struct histogram *other) {
    for (unsigned bucket = 0; bucket < HISTOGRAM_BUCKETS; bucket++) histogram->buckets[bucket] += other->buckets[bucket];
    histogram->count += other->count;
    if (other->maximum > histogram->maximum) histogram->maximum = other->maximum;
}

double histogram_percentile(const struct histogram *histogram, double share) {
    uint64_t wanted = (uint64_t)((double)histogram->count * share), seen = 0;
    if (wanted < 1) wanted = 1;
    for (unsigned bucket = 0; bucket < HISTOGRAM_BUCKETS; bucket++) {
        seen += histogram->buckets[bucket];
        if (seen >= wanted) return middle_of(bucket) / 1000;
    }
    return (double)histogram->maximum / 1000;
}

uint64_t monotonic_nanoseconds(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}
