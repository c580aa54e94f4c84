/* The service of the benchmarks: takes WebSocket streams, talks to them as the backend does, and judges their timing.
 *
 * One process, one epoll, no allocation per message: it must cost so little that only its clients are measured.
 *
 *     sink CHUNKS WARM_MS [DEAF]
 *
 * CHUNKS   how many each stream is going to send (a stream that ends with less has lost some)
 * WARM_MS  how long after the last stream began judging begins
 * DEAF     every DEAF-th stream is never read after its upgrade (0: none)
 *
 * Prints its port as the first line, `idle` whenever the last open stream has ended, and, on SIGTERM, one JSON object.
 * Times are seconds of CLOCK_MONOTONIC.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "lateness.h"
#include "sha1.h"

enum { TICK_US = 5000, SLOTS = 200, PING_SECONDS = 10, MAX_STREAMS = 65536, REQUEST = 4096, CONTROL = 125 };
enum { SMALLEST_CHUNK = 100 }; /* a binary message below this is a keep-alive, no audio */
enum state { HTTP, OPEN, GONE };

struct stream {
    int fd;
    enum state state;
    int deaf, clean;
    int64_t accepted;
    uint8_t head[14], head_size, opcode, fin, mask[4];
    uint64_t left, frame_size, message_size;
    uint8_t message_opcode, control[CONTROL];
    uint32_t number, texts;
    char *request;
    size_t request_size;
    struct arrivals audio;
};

static struct stream *streams[MAX_STREAMS];
static uint32_t stream_count, open_count, deaf_every, planned, warm_ms;
static uint64_t texts_sent, texts_refused, bytes_read, other_messages, unmasked;
static int64_t first_accept, last_upgrade;
static int epoll;
static volatile sig_atomic_t stopped;

static void stop(int signal) { (void)signal, stopped = 1; }

static int64_t now_us(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec * 1000000LL + t.tv_nsec / 1000;
}

static void end_stream(struct stream *s)
{
    close(s->fd);
    s->state = GONE;
    free(s->request);
    s->request = NULL;
    if (!s->number) {
        free(s); /* only HTTP; streams are kept for the report */
    } else if (--open_count == 0) {
        puts("idle");
        fflush(stdout);
    }
}

/* Talking */

static size_t frame(uint8_t *out, uint8_t opcode, const void *payload, size_t size)
{
    size_t head = size < 126 ? 2 : 4;
    out[0] = 0x80 | opcode;
    out[1] = size < 126 ? size : 126;
    if (head == 4)
        out[2] = size >> 8, out[3] = size;
    memcpy(out + head, payload, size);
    return head + size;
}

static void say(struct stream *s, const void *data, size_t size)
{
    if (send(s->fd, data, size, MSG_NOSIGNAL | MSG_DONTWAIT) != (ssize_t)size)
        texts_refused++;
}

static void say_ping(struct stream *s)
{
    say(s, "\x81\x04ping", 6);
    texts_sent++;
}

static void say_transcript(struct stream *s)
{
    char text[512];
    uint8_t out[520];
    int size = snprintf(text, sizeof text,
                        "[{\"id\":\"%08x-0000-4000-8000-000000000000\",\"text\":\"so far this is what was heard, and it "
                        "grows %u\",\"speaker\":\"SPEAKER_00\",\"speaker_id\":0,\"is_user\":false,\"person_id\":null,"
                        "\"start\":0.0,\"end\":%u.0}]",
                        s->number, s->texts, s->texts);
    say(s, out, frame(out, 1, text, size));
    s->texts++;
    texts_sent++;
}

/* Every stream has its moment in each second, so that what is said is spread evenly. */
static void talk(int64_t tick)
{
    for (uint32_t i = tick % SLOTS; i < stream_count; i += SLOTS)
        if (streams[i]->state == OPEN)
            say_transcript(streams[i]);
    for (uint32_t i = (tick + SLOTS / 2) % SLOTS; i < stream_count; i += SLOTS)
        if (streams[i]->state == OPEN && (tick / SLOTS + i / SLOTS) % PING_SECONDS == 0)
            say_ping(streams[i]);
}

static void upgrade(struct stream *s, const char *key)
{
    static const char *statuses[] = {"initiating", "in_progress_conversations_processing", "stt_initiating", "ready"};
    char accept[29], out[1024], text[128];
    websocket_accept(key, accept);
    int size = snprintf(out, sizeof out,
                        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                        "Sec-WebSocket-Accept: %s\r\n\r\n",
                        accept);
    size += frame((uint8_t *)out + size, 1, "ping", 4);
    for (int i = 0; i < 4; i++) {
        int n = snprintf(text, sizeof text, "{\"type\":\"service_status\",\"status\":\"%s\",\"status_text\":null}",
                         statuses[i]);
        size += frame((uint8_t *)out + size, 1, text, n);
    }
    texts_sent += 5;
    say(s, out, size);
    streams[stream_count] = s;
    s->number = ++stream_count;
    open_count++;
    s->state = OPEN;
    s->deaf = deaf_every && s->number % deaf_every == 0;
    last_upgrade = now_us();
    if (!first_accept || s->accepted < first_accept)
        first_accept = s->accepted;
    if (s->deaf) {
        struct epoll_event watch = {.events = 0, .data.ptr = s};
        epoll_ctl(epoll, EPOLL_CTL_MOD, s->fd, &watch);
    }
}

static void answer_http(struct stream *s)
{
    const char *body = strstr(s->request, " /openapi.json")
                           ? "{\"openapi\":\"3.1.0\",\"info\":{\"title\":\"sink\",\"version\":\"1\"},"
                             "\"paths\":{\"/v1/health\":{\"get\":{}}}}"
                           : "{}";
    char out[512];
    int size = snprintf(out, sizeof out,
                        "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %zu\r\n"
                        "Connection: close\r\n\r\n%s",
                        strlen(body), body);
    say(s, out, size);
    end_stream(s);
}

/* Listening. These return 0 when the connection is gone. */

static int take_request(struct stream *s, const uint8_t *data, size_t size)
{
    if (!s->request)
        s->request = calloc(1, REQUEST);
    if (!s->request || s->request_size + size >= REQUEST) {
        end_stream(s);
        return 0;
    }
    memcpy(s->request + s->request_size, data, size);
    s->request_size += size;
    s->request[s->request_size] = 0;
    if (!strstr(s->request, "\r\n\r\n"))
        return 1;
    char *key = strcasestr(s->request, "\r\nSec-WebSocket-Key:");
    if (!key || strncmp(s->request, "GET /v4/listen", 14) || stream_count == MAX_STREAMS) {
        answer_http(s);
        return 0;
    }
    key += strlen("\r\nSec-WebSocket-Key:");
    upgrade(s, key + strspn(key, " "));
    free(s->request);
    s->request = NULL;
    return 1;
}

static int control_done(struct stream *s)
{
    uint8_t out[CONTROL + 4];
    for (uint64_t i = 0; i < s->frame_size; i++)
        s->control[i] ^= s->mask[i % 4];
    if (s->opcode == 9)
        say(s, out, frame(out, 10, s->control, s->frame_size));
    if (s->opcode != 8)
        return 1;
    say(s, out, frame(out, 8, s->control, s->frame_size < 2 ? 0 : 2));
    s->clean = 1;
    end_stream(s);
    return 0;
}

static int frame_done(struct stream *s, int64_t now)
{
    if (s->opcode >= 8)
        return control_done(s);
    if (s->opcode)
        s->message_opcode = s->opcode, s->message_size = 0;
    s->message_size += s->frame_size;
    if (!s->fin)
        return 1;
    if (s->message_opcode == 2 && s->message_size >= SMALLEST_CHUNK)
        arrived(&s->audio, now);
    else
        other_messages++;
    return 1;
}

static size_t head_needs(const struct stream *s)
{
    if (s->head_size < 2)
        return 2;
    uint8_t size = s->head[1] & 127;
    return 2 + (size == 126 ? 2 : size == 127 ? 8 : 0) + (s->head[1] & 128 ? 4 : 0);
}

static int head_done(struct stream *s)
{
    uint8_t short_size = s->head[1] & 127;
    int extra = short_size == 126 ? 2 : short_size == 127 ? 8 : 0;
    uint64_t size = extra ? 0 : short_size;
    for (int i = 0; i < extra; i++)
        size = size << 8 | s->head[2 + i];
    unmasked += !(s->head[1] & 128);
    memcpy(s->mask, s->head + 2 + extra, 4);
    s->opcode = s->head[0] & 15;
    s->fin = s->head[0] >> 7;
    s->left = s->frame_size = size;
    s->head_size = 0;
    return s->opcode < 8 || size <= CONTROL;
}

static int take_frames(struct stream *s, const uint8_t *at, const uint8_t *end, int64_t now)
{
    while (at < end) {
        if (s->left) {
            size_t n = s->left < (uint64_t)(end - at) ? s->left : (uint64_t)(end - at);
            if (s->opcode >= 8)
                memcpy(s->control + s->frame_size - s->left, at, n);
            at += n;
            s->left -= n;
        } else {
            s->head[s->head_size++] = *at++;
            if (s->head_size < 2 || s->head_size < head_needs(s))
                continue;
            if (!head_done(s)) {
                end_stream(s);
                return 0;
            }
        }
        if (!s->left && !frame_done(s, now))
            return 0;
    }
    return 1;
}

static void readable(struct stream *s)
{
    static uint8_t buffer[1 << 16];
    int64_t now = now_us();
    ssize_t size = recv(s->fd, buffer, sizeof buffer, 0);
    if (size < 0 && errno == EAGAIN)
        return;
    if (size <= 0) {
        end_stream(s);
        return;
    }
    bytes_read += size;
    if (s->state == HTTP)
        take_request(s, buffer, size); /* a client says nothing more before it has the answer */
    else
        take_frames(s, buffer, buffer + size, now);
}

static void accept_all(int listener)
{
    int fd, yes = 1;
    while ((fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC)) >= 0) {
        struct stream *s = calloc(1, sizeof *s);
        if (!s)
            exit(70);
        s->fd = fd;
        s->accepted = now_us();
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes);
        struct epoll_event watch = {.events = EPOLLIN, .data.ptr = s};
        epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &watch);
    }
}

/* Judging */

static void report(void)
{
    static struct arrivals *kept[MAX_STREAMS];
    size_t heard = 0, complete = 0, clean = 0, deaf = 0;
    uint64_t chunks = 0, lost = 0, extra = 0;
    int64_t all_began = 0, first_end = INT64_MAX;
    for (uint32_t i = 0; i < stream_count; i++) {
        struct arrivals *a = &streams[i]->audio;
        clean += streams[i]->clean;
        deaf += streams[i]->deaf;
        if (streams[i]->deaf)
            continue;
        chunks += a->count;
        lost += a->count < planned ? planned - a->count : 0;
        extra += a->count > planned ? a->count - planned : 0;
        if (!a->count)
            continue;
        kept[heard++] = a;
        if (a->first > all_began)
            all_began = a->first;
        if (a->count < planned)
            continue;
        complete++;
        if (arrival(a, a->count - 1) < first_end)
            first_end = arrival(a, a->count - 1);
    }
    int64_t from = all_began + 1000LL * warm_ms;
    struct rusage used;
    getrusage(RUSAGE_SELF, &used);
    printf("{\"streams\":%u,\"deaf\":%zu,\"complete\":%zu,\"clean_closes\":%zu,\"chunks\":%lu,\"lost\":%lu,"
           "\"extra\":%lu,\"other_messages\":%lu,\"unmasked\":%lu,\"bytes\":%lu,\"texts_sent\":%lu,"
           "\"texts_refused\":%lu,\"cpu_s\":%.3f,\"first_accept\":%.6f,\"last_upgrade\":%.6f,\"judged\":",
           stream_count, deaf, complete, clean, chunks, lost, extra, other_messages, unmasked, bytes_read, texts_sent,
           texts_refused,
           used.ru_utime.tv_sec + used.ru_stime.tv_sec + (used.ru_utime.tv_usec + used.ru_stime.tv_usec) / 1e6,
           first_accept / 1e6, last_upgrade / 1e6);
    if (complete && first_end - from >= 1000000)
        print_judged(kept, heard, from, first_end);
    else
        printf("null");
    printf("}\n");
}

int main(int argc, char **argv)
{
    struct sockaddr_in where = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof where;
    int listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (argc < 3) {
        fprintf(stderr, "usage: sink CHUNKS WARM_MS [DEAF]\n");
        return 64;
    }
    planned = atoi(argv[1]);
    warm_ms = atoi(argv[2]);
    deaf_every = argc > 3 ? atoi(argv[3]) : 0;
    if (bind(listener, (struct sockaddr *)&where, size) || listen(listener, 65535) ||
        getsockname(listener, (struct sockaddr *)&where, &size)) {
        perror("sink");
        return 71;
    }
    struct sigaction end = {.sa_handler = stop};
    sigaction(SIGTERM, &end, NULL);
    sigaction(SIGINT, &end, NULL);
    epoll = epoll_create1(EPOLL_CLOEXEC);
    struct epoll_event watch = {.events = EPOLLIN, .data.ptr = NULL}, ready[512];
    epoll_ctl(epoll, EPOLL_CTL_ADD, listener, &watch);
    printf("%d\n", ntohs(where.sin_port));
    fflush(stdout);
    for (int64_t tick = now_us() / TICK_US; !stopped;) {
        int64_t wait = (tick + 1) * TICK_US - now_us();
        int count = epoll_wait(epoll, ready, 512, wait > 0 ? (wait + 999) / 1000 : 0);
        for (int i = 0; i < count; i++)
            ready[i].data.ptr ? readable(ready[i].data.ptr) : accept_all(listener);
        for (int64_t now = now_us() / TICK_US; tick < now;)
            talk(++tick);
    }
    report();
    return 0;
}
