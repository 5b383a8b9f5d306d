/* The floor: answers a constant to every head that ends, with read, write and epoll_wait. Use: epoll PORT
 *
 * It refuses to do more: no body, no head that comes in pieces whose end is split over two reads, no timeouts. It shows
 * what the kernel takes for a request, so that nobody looks for a server that needs less. */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

enum { EVENTS = 256, READ = 65536, BATCH = 64 };

#define HEAD "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 13\r\n"
#define BODY "\r\nHello World !"

static const char ANSWER[] = HEAD BODY, LAST[] = HEAD "Connection: close\r\n" BODY;
static const size_t LENGTH = sizeof ANSWER - 1;

static int listen_on(int port) {
    int one = 1, listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
    struct sockaddr_in address = {
        .sin_family = AF_INET, .sin_port = htons((unsigned short)port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
    if (bind(listener, (struct sockaddr *)&address, sizeof address) || listen(listener, 4096)) exit(1);
    return listener;
}

static void watch(int poll, int fd) {
    struct epoll_event event = {.events = EPOLLIN, .data.fd = fd};
    if (epoll_ctl(poll, EPOLL_CTL_ADD, fd, &event)) exit(1);
}

/* Answers all heads in what one read brought, several with one write; -1 when the connection is of no more use. */
static int serve(int fd) {
    static char in[READ + 1], out[BATCH * sizeof ANSWER];
    ssize_t got = read(fd, in, READ);
    size_t used = 0;
    if (got <= 0) return -1;
    in[got] = 0;
    /* The one header that it understands, so that a new connection for each request ends as with a server. */
    if (strstr(in, "Connection: close")) return write(fd, LAST, sizeof LAST - 1), -1;
    for (char *end = strstr(in, "\r\n\r\n"); end; end = strstr(end + 4, "\r\n\r\n")) {
        memcpy(out + used, ANSWER, LENGTH);
        used += LENGTH;
        if (used > sizeof out - LENGTH || !strstr(end + 4, "\r\n\r\n")) {
            if (write(fd, out, used) != (ssize_t)used) return -1;
            used = 0;
        }
    }
    return 0;
}

int main(int count, char **words) {
    if (count != 2) return 2;
    int listener = listen_on(atoi(words[1])), poll = epoll_create1(0), one = 1;
    struct epoll_event events[EVENTS];
    watch(poll, listener);
    for (;;) {
        int ready = epoll_wait(poll, events, EVENTS, -1);
        for (int i = 0; i < ready; i++) {
            int fd = events[i].data.fd;
            if (fd == listener) {
                for (int got; (got = accept4(listener, 0, 0, SOCK_NONBLOCK)) >= 0;) {
                    setsockopt(got, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
                    watch(poll, got);
                }
            } else if (serve(fd)) {
                close(fd);
            }
        }
    }
}
