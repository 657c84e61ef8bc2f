/* Counts of nanoseconds in buckets that are at most 1/64 of their value wide. */
#ifndef HISTOGRAM_H
#define HISTOGRAM_H

#include <stdint.h>

enum { HISTOGRAM_BUCKETS = 64 * 60 };

typedef struct {
    uint64_t counts[HISTOGRAM_BUCKETS];
    uint64_t total, greatest;
} Histogram;

static inline void histogram_add(Histogram *histogram, uint64_t ns)
{
    unsigned index = (unsigned)ns;
    if (ns >= 64) {
        int shift = 63 - __builtin_clzll(ns) - 6;
        index = (unsigned)(shift + 1) * 64 + (unsigned)((ns >> shift) & 63);
    }
    histogram->counts[index]++;
    histogram->total++;
    if (ns > histogram->greatest)
        histogram->greatest = ns;
}

static inline void histogram_merge(Histogram *into, const Histogram *from)
{
    for (int i = 0; i < HISTOGRAM_BUCKETS; i++)
        into->counts[i] += from->counts[i];
    into->total += from->total;
    if (from->greatest > into->greatest)
        into->greatest = from->greatest;
}

/* The least value of the bucket in which the given share (0 to 1) of all values is reached. */
static inline uint64_t histogram_quantile(const Histogram *histogram, double share)
{
    uint64_t wanted = (uint64_t)(share * (double)histogram->total), seen = 0;
    for (unsigned i = 0; i < HISTOGRAM_BUCKETS; i++) {
        seen += histogram->counts[i];
        if (seen > wanted || (seen == histogram->total && seen > 0))
            return i < 64 ? i : (uint64_t)(64 + i % 64) << (i / 64 - 1);
    }
    return 0;
}

#endif
