// Opens connections to an echo server, all at once or one after the other, and sends a byte there and back on each. Called in the box by
// connections.mjs: connector ADDRESS PORT COUNT together|inturn.
#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

static struct sockaddr_in to = {.sin_family = AF_INET};

static int fail(const char *what, int number) {
  fprintf(stderr, "connection %d: ", number);
  perror(what);
  exit(1);
}

static int open_one(int number) {
  int tcp = socket(AF_INET, SOCK_STREAM, 0);
  if (tcp < 0) fail("socket", number);
  if (connect(tcp, (struct sockaddr *)&to, sizeof to) != 0) fail("connect", number);
  return tcp;
}

static void echo(int tcp, int number) {
  char sent = (char)number, received = (char)~sent;
  if (write(tcp, &sent, 1) != 1) fail("write", number);
  if (read(tcp, &received, 1) != 1 || sent != received) fail("read", number);
}

int main(int count_of_arguments, char **arguments) {
  if (count_of_arguments != 5) return 2;
  inet_pton(AF_INET, arguments[1], &to.sin_addr);
  to.sin_port = htons((unsigned short)atoi(arguments[2]));
  int count = atoi(arguments[3]);
  if (strcmp(arguments[4], "together") == 0) {
    struct rlimit descriptors = {.rlim_cur = (rlim_t)count + 16, .rlim_max = (rlim_t)count + 16};
    if (setrlimit(RLIMIT_NOFILE, &descriptors) != 0) fail("setrlimit", 0);
    int *open = calloc((size_t)count, sizeof *open);
    for (int i = 0; i < count; i++) open[i] = open_one(i);
    for (int i = 0; i < count; i++) echo(open[i], i);
    for (int i = 0; i < count; i++) close(open[i]);
  } else {
    for (int i = 0; i < count; i++) {
      int tcp = open_one(i);
      echo(tcp, i);
      close(tcp);
    }
  }
  printf("%d\n", count);
  return 0;
}
