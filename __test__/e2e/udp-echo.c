// Returns each datagram to 127.0.0.1, port 5353, to its sender. Run in a box by ports.test.ts.
#include <arpa/inet.h>
#include <sys/socket.h>

int main(void) {
  struct sockaddr_in here = {.sin_family = AF_INET, .sin_port = htons(5353), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
  int udp = socket(AF_INET, SOCK_DGRAM, 0);
  if (bind(udp, (struct sockaddr *)&here, sizeof here) != 0) return 1;
  for (;;) {
    static char datagram[65536];
    struct sockaddr_in from;
    socklen_t length = sizeof from;
    ssize_t size = recvfrom(udp, datagram, sizeof datagram, 0, (struct sockaddr *)&from, &length);
    if (size >= 0) sendto(udp, datagram, (size_t)size, 0, (struct sockaddr *)&from, length);
  }
}
