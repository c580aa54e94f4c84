/* How late chunks were, as the receiving end saw it.
 *
 * Nobody tells the sink when a chunk was due. For each stream an ideal grid of 100 ms is laid through its earliest
 * arrival: late_k = (t_k - k * 100 ms) - min over j of (t_j - j * 100 ms). While streams run only t_k is stored, one
 * 32-bit number; all arithmetic comes after.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { CHUNK_US = 100000, BUCKET_US = 100, BUCKETS = 20000 }; /* linear buckets of 0.1 ms up to 2 s */

/* Arrivals of one stream: chunk k came at first + offset[k] + k * CHUNK_US (all in microseconds). */
struct arrivals {
    int64_t first;
    uint32_t count, room;
    int32_t *offset;
};

static void arrived(struct arrivals *a, int64_t now)
{
    if (a->count == a->room) {
        a->room = a->room ? 2 * a->room : 256;
        a->offset = realloc(a->offset, a->room * sizeof *a->offset);
        if (!a->offset)
            exit(70);
    }
    if (!a->count)
        a->first = now;
    a->offset[a->count] = (int32_t)(now - a->first - (int64_t)a->count * CHUNK_US);
    a->count++;
}

static int64_t arrival(const struct arrivals *a, uint32_t k)
{
    return a->first + a->offset[k] + (int64_t)k * CHUNK_US;
}

struct histogram {
    uint64_t count;
    int64_t max;
    uint32_t bucket[BUCKETS + 1]; /* the last one holds all that is later than 2 s */
};

static void note(struct histogram *h, int64_t late)
{
    int64_t b = late / BUCKET_US;
    h->bucket[b < BUCKETS ? b : BUCKETS]++;
    h->count++;
    if (late > h->max)
        h->max = late;
}

/* Nearest rank, upper edge of the bucket, in ms. */
static double percentile(const struct histogram *h, double p)
{
    uint64_t rank = (uint64_t)(h->count * p / 100 + 0.999999), seen = 0;
    if (!h->count)
        return 0;
    for (int b = 0; b < BUCKETS; b++)
        if ((seen += h->bucket[b]) >= rank)
            return (b + 1) * BUCKET_US / 1000.0;
    return h->max / 1000.0;
}

static void print_histogram(const struct histogram *h)
{
    printf("{\"n\":%lu,\"p50\":%.1f,\"p99\":%.1f,\"max\":%.2f}", (unsigned long)h->count, percentile(h, 50),
           percentile(h, 99), h->max / 1000.0);
}

/* Prints the lateness of what arrived in [from, to): of the whole window, and of each of its seconds. */
static void print_judged(struct arrivals *const *streams, size_t count, int64_t from, int64_t to)
{
    size_t seconds = (to - from) / 1000000;
    struct histogram *per_second = calloc(seconds + 1, sizeof *per_second), *whole = per_second + seconds;
    if (!per_second)
        exit(70);
    to = from + (int64_t)seconds * 1000000;
    for (size_t i = 0; i < count; i++) {
        const struct arrivals *a = streams[i];
        int32_t earliest = INT32_MAX;
        for (uint32_t k = 0; k < a->count; k++)
            if (a->offset[k] < earliest)
                earliest = a->offset[k];
        for (uint32_t k = 0; k < a->count; k++) {
            int64_t at = arrival(a, k);
            if (at < from || at >= to)
                continue;
            note(per_second + (at - from) / 1000000, (int64_t)a->offset[k] - earliest);
            note(whole, (int64_t)a->offset[k] - earliest);
        }
    }
    printf("{\"from\":%.6f,\"to\":%.6f,\"whole\":", from / 1e6, to / 1e6);
    print_histogram(whole);
    printf(",\"seconds\":[");
    for (size_t s = 0; s < seconds; s++) {
        if (s)
            putchar(',');
        print_histogram(per_second + s);
    }
    printf("]}");
    free(per_second);
}
