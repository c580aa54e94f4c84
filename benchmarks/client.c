/* The physical limit: what the kernel and one core allow to a client of many streams.
 *
 * Frames are masked once, one epoll reads, one 5 ms tick sends, each message is one `send`. It speaks just enough
 * WebSocket for the sink and checks nothing. Server messages are counted, not decoded.
 *
 *     client PORT STREAMS CHUNKS
 *
 * Prints one JSON object; CPU and memory of its own, as a cross-check of what the harness samples from outside.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/random.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { PAYLOAD = 3200, HEAD = 8, FRAME = HEAD + PAYLOAD, TAPE = 256, TICK_US = 5000, SLOTS = 20, END_US = 2000000 };

struct stream {
    int fd, open;
    uint32_t next, written; /* chunk to send, and bytes of it that the socket has taken */
    uint32_t left;          /* payload of the server's frame that is still to come */
    uint8_t head[4], head_size, opcode;
};

static uint8_t tape[TAPE][FRAME];
static struct stream *streams;
static uint32_t stream_count, chunks;
static uint64_t messages, pongs, refused;
static int epoll;

static int64_t now_us(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec * 1000000LL + t.tv_nsec / 1000;
}

static double cpu_seconds(void)
{
    struct rusage used;
    getrusage(RUSAGE_SELF, &used);
    return used.ru_utime.tv_sec + used.ru_stime.tv_sec + (used.ru_utime.tv_usec + used.ru_stime.tv_usec) / 1e6;
}

static long resident_kib(void)
{
    long pages = 0;
    FILE *file = fopen("/proc/self/statm", "r");
    if (!file || fscanf(file, "%*d %ld", &pages) != 1)
        return 0;
    fclose(file);
    return pages * (sysconf(_SC_PAGESIZE) / 1024);
}

static void die(const char *what)
{
    perror(what);
    exit(71);
}

static void record_tape(void)
{
    for (int k = 0; k < TAPE; k++) {
        uint8_t *frame = tape[k];
        frame[0] = 0x82, frame[1] = 0x80 | 126, frame[2] = PAYLOAD >> 8, frame[3] = PAYLOAD & 255;
        if (getrandom(frame + 4, 4, 0) != 4)
            die("getrandom");
        for (int i = 0; i < PAYLOAD; i++)
            frame[HEAD + i] = (uint8_t)(k + i) ^ frame[4 + i % 4];
    }
}

static void closed(struct stream *s)
{
    close(s->fd);
    s->open = 0;
}

static void control(struct stream *s)
{
    if (s->opcode == 8)
        closed(s);
    if (s->opcode == 9 && ++pongs)
        send(s->fd, "\x8a\x80\0\0\0\0", 6, MSG_NOSIGNAL);
}

static void take_frames(struct stream *s, const uint8_t *at, const uint8_t *end)
{
    while (at < end && s->open) {
        if (s->left) {
            uint32_t n = s->left < (uint32_t)(end - at) ? s->left : (uint32_t)(end - at);
            at += n;
            s->left -= n;
        } else {
            s->head[s->head_size++] = *at++;
            if (s->head_size < 2 || (s->head[1] == 126 && s->head_size < 4))
                continue;
            s->left = s->head[1] == 126 ? s->head[2] << 8 | s->head[3] : s->head[1];
            s->opcode = s->head[0] & 15;
            s->head_size = 0;
        }
        if (s->left)
            continue;
        if (s->opcode >= 8)
            control(s);
        else
            messages++;
    }
}

static void readable(struct stream *s)
{
    static uint8_t buffer[1 << 16];
    ssize_t size = recv(s->fd, buffer, sizeof buffer, 0);
    if (size > 0)
        take_frames(s, buffer, buffer + size);
    else if (size == 0 || errno != EAGAIN)
        closed(s);
}

static void open_stream(struct stream *s, int port)
{
    static const char request[] =
        "GET /v4/listen?language=en&sample_rate=16000&codec=pcm16&channels=1 HTTP/1.1\r\nHost: 127.0.0.1\r\n"
        "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
        "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nAuthorization: Bearer bench\r\n\r\n";
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    char answer[2048], *body;
    size_t size = 0;
    int yes = 1;
    s->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (s->fd < 0 || connect(s->fd, (struct sockaddr *)&to, sizeof to))
        die("connect");
    setsockopt(s->fd, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes);
    if (send(s->fd, request, sizeof request - 1, MSG_NOSIGNAL) < 0)
        die("send");
    do {
        ssize_t n = recv(s->fd, answer + size, sizeof answer - 1 - size, 0);
        if (n <= 0)
            die("the upgrade was not answered");
        answer[size += n] = 0;
    } while (!(body = strstr(answer, "\r\n\r\n")));
    s->open = 1;
    take_frames(s, (uint8_t *)body + 4, (uint8_t *)answer + size);
    struct epoll_event watch = {.events = EPOLLIN, .data.ptr = s};
    epoll_ctl(epoll, EPOLL_CTL_ADD, s->fd, &watch);
}

/* Send what is due; a socket that takes only a part gets the rest at the stream's next turn. */
static void send_due(struct stream *s, uint32_t due)
{
    while (s->open && s->next < due && s->next < chunks) {
        ssize_t n = send(s->fd, tape[s->next % TAPE] + s->written, FRAME - s->written, MSG_NOSIGNAL | MSG_DONTWAIT);
        if (n < 0 && errno != EAGAIN)
            closed(s);
        if (n < 0) {
            refused++;
            return;
        }
        if ((s->written += n) < FRAME)
            return;
        s->written = 0;
        s->next++;
    }
}

static void read_until(int64_t instant)
{
    struct epoll_event ready[512];
    int64_t wait = instant - now_us();
    int count = epoll_wait(epoll, ready, 512, wait > 0 ? (wait + 999) / 1000 : 0);
    for (int i = 0; i < count; i++)
        if (((struct stream *)ready[i].data.ptr)->open)
            readable(ready[i].data.ptr);
}

int main(int argc, char **argv)
{
    if (argc < 4) {
        fprintf(stderr, "usage: client PORT STREAMS CHUNKS\n");
        return 64;
    }
    stream_count = atoi(argv[2]), chunks = atoi(argv[3]);
    record_tape();
    epoll = epoll_create1(EPOLL_CLOEXEC);
    long before = resident_kib();
    streams = calloc(stream_count, sizeof *streams);
    int64_t opening = now_us();
    for (uint32_t i = 0; i < stream_count; i++)
        open_stream(streams + i, atoi(argv[1]));
    int64_t start = now_us();
    double cpu = cpu_seconds();
    /* Slot `turn % SLOTS` holds every SLOTS-th stream; a late turn is caught up with, none is skipped. */
    for (int64_t turn = 0; turn < (int64_t)(chunks + 1) * SLOTS;) {
        for (int64_t now = (now_us() - start) / TICK_US; turn <= now; turn++)
            for (uint32_t i = turn % SLOTS; i < stream_count; i += SLOTS)
                send_due(streams + i, turn / SLOTS + 1);
        read_until(start + turn * TICK_US);
    }
    cpu = cpu_seconds() - cpu;
    double seconds = (now_us() - start) / 1e6;
    long after = resident_kib();
    uint64_t sent = 0;
    for (uint32_t i = 0; i < stream_count; i++) {
        sent += streams[i].next;
        if (streams[i].open)
            send(streams[i].fd, "\x88\x82\0\0\0\0\x03\xe8", 8, MSG_NOSIGNAL);
    }
    for (int64_t end = now_us() + END_US; now_us() < end;) {
        uint32_t left = 0;
        for (uint32_t i = 0; i < stream_count; i++)
            left += streams[i].open;
        if (!left)
            break;
        read_until(now_us() + TICK_US);
    }
    printf("{\"messages\":%lu,\"sent\":%lu,\"refused\":%lu,\"cpu_s\":%.3f,\"seconds\":%.3f,\"connect_s\":%.3f,"
           "\"kib_per_stream\":%.3f}\n",
           messages, sent, refused, cpu, seconds, (start - opening) / 1e6, (double)(after - before) / stream_count);
    return 0;
}
