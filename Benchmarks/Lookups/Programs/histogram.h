// A histogram of durations.
//
// Limits: durations up to 18 minutes; longer ones count as 18 minutes. The error of a percentile is at most 0.8 %.
#ifndef HISTOGRAM_H
#define HISTOGRAM_H

#include <stdint.h>

enum {
    HISTOGRAM_STEP_BITS = 7,
    HISTOGRAM_STEPS = 1 << HISTOGRAM_STEP_BITS,
    HISTOGRAM_MAXIMUM_BITS = 40,
    HISTOGRAM_BUCKETS = (HISTOGRAM_MAXIMUM_BITS - HISTOGRAM_STEP_BITS + 1) * HISTOGRAM_STEPS,
};

// Starts as all zeros. Each power of two has HISTOGRAM_STEPS buckets.
struct histogram {
    uint64_t buckets[HISTOGRAM_BUCKETS];
    uint64_t count;
    uint64_t maximum;
};

void histogram_add(struct histogram *histogram, uint64_t nanoseconds);

// Adds all durations of `other`.
void histogram_merge(struct histogram *histogram, const struct histogram *other);

// The duration in microseconds that `share` (0...1) of all durations do not exceed; 0 without durations.
double histogram_percentile(const struct histogram *histogram, double share);

// Monotonic time in nanoseconds.
uint64_t monotonic_nanoseconds(void);

#endif
