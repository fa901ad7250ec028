/* The workload: writes numbered records, each made durable before it is acknowledged, and later checks that none is
 * missing. Linked statically and added to the image by image.mjs; run in the box by host.mjs.
 *
 *   workload run FOLDER WRITER [COUNT]   writes and prints "WRITER NUMBER" after each record, COUNT times or without end
 *   workload check FOLDER WRITER         prints the last record, or prints the faults and exits with 1
 *
 * For record n, the workload changes the file system in one way, makes the change durable, appends n to the log, flushes
 * the log, and only then acknowledges n. So the log must contain 1 to m without a gap, all their changes must exist, and
 * of the change of record m + 1 any part may exist.
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

enum { KINDS = 5, SLOTS = 8, SLOT = 4096, LIVE = 102, MOST = 60000 };
/* What record n does, by n modulo KINDS. */
enum { ONLY_LOG, NOISE, CREATE, OVERWRITE, DELETE };

struct header { uint32_t magic, number, length, sum; };
static const uint32_t MAGIC = 0x626f786c;

static unsigned char content[MOST];

static void die(const char *what) { printf("can't %s: %s\n", what, strerror(errno)); exit(2); }

/* Writes the bytes of record n to `content`. They differ from those of every other record. */
static void fill(uint32_t n, uint32_t length) {
    uint64_t x = n * 0x9e3779b97f4a7c15u + 1;
    for (uint32_t i = 0; i < length; i++) {
        x ^= x << 13; x ^= x >> 7; x ^= x << 17;
        content[i] = (unsigned char)x;
    }
}
static uint32_t sum(uint32_t length) {
    uint32_t h = 2166136261u;
    for (uint32_t i = 0; i < length; i++) h = (h ^ content[i]) * 16777619u;
    return h;
}
static uint32_t file_length(uint32_t n) { return n * 7919u % MOST + 1; }
static uint32_t log_length(uint32_t n) { return n * 37u % 3000 + 1; }
static uint32_t slot_of(uint32_t n) { return n / KINDS % SLOTS; }

static void write_all(int fd, uint32_t length) {
    for (uint32_t at = 0; at < length;) {
        ssize_t count = write(fd, content + at, length - at);
        if (count < 0) die("write");
        at += (uint32_t)count;
    }
}
static void flush(int fd) { if (fsync(fd)) die("fsync"); }
static void flush_folder(const char *path) {
    int fd = open(path, O_RDONLY | O_DIRECTORY);
    if (fd < 0) die("open folder");
    flush(fd);
    close(fd);
}

/* Reads the log to its last whole record, and returns that record's number. A torn end is no error, a gap is one. */
static uint32_t last_of(int log, off_t *end) {
    struct header h;
    uint32_t n = 0;
    *end = 0;
    while (pread(log, &h, sizeof h, *end) == sizeof h && h.magic == MAGIC) {
        if (h.number != n + 1 || h.length != log_length(h.number)) {
            printf("the log has record %u after %u\n", h.number, n);
            exit(1);
        }
        fill(h.number, h.length);
        uint32_t expected = sum(h.length);
        if (h.sum != expected || pread(log, content, h.length, *end + (off_t)sizeof h) != (ssize_t)h.length
            || sum(h.length) != expected) break;
        *end += (off_t)(sizeof h + h.length);
        n = h.number;
    }
    return n;
}

static void append(int log, uint32_t n) {
    struct header h = { MAGIC, n, log_length(n), 0 };
    fill(n, h.length);
    h.sum = sum(h.length);
    if (write(log, &h, sizeof h) != sizeof h) die("append");
    write_all(log, h.length);
    if (n % 2 ? fsync(log) : fdatasync(log)) die("flush the log");
}

static void create(uint32_t n) {
    char draft[32], name[32];
    snprintf(draft, sizeof draft, "files/.%u.new", n);
    snprintf(name, sizeof name, "files/%u", n);
    int fd = open(draft, O_WRONLY | O_CREAT | O_TRUNC, 0600);
    if (fd < 0) die("create");
    fill(n, file_length(n));
    write_all(fd, file_length(n));
    flush(fd);
    close(fd);
    if (rename(draft, name)) die("rename");
    flush_folder("files");
}

static void overwrite(uint32_t n) {
    int fd = open("slots", O_RDWR | O_CREAT, 0600);
    off_t at = (off_t)slot_of(n) * SLOT;
    if (fd < 0) die("open slots");
    fill(n, SLOT);
    if (n % 2) {
        if (ftruncate(fd, SLOTS * SLOT)) die("size slots");
        void *map = mmap(NULL, SLOT, PROT_WRITE, MAP_SHARED, fd, at);
        if (map == MAP_FAILED) die("map slots");
        memcpy(map, content, SLOT);
        if (msync(map, SLOT, MS_SYNC)) die("msync");
        munmap(map, SLOT);
    } else if (pwrite(fd, content, SLOT, at) != SLOT) die("write slot");
    flush(fd);
    close(fd);
}

/* Writes data that is not flushed, so that the journal and the disk always have other work to do. */
static void noise(uint32_t n) {
    int fd = open("noise", O_WRONLY | O_CREAT, 0600);
    fill(n, file_length(n));
    if (fd < 0 || pwrite(fd, content, file_length(n), (off_t)(n * 4099u % 4000000)) < 0) die("make noise");
    if (n % 3 == 0 && ftruncate(fd, (off_t)(n * 31u % 2000000))) die("truncate noise");
    close(fd);
    if (n % 50 == 1) unlink("noise");
}

static void delete(uint32_t n) {
    char name[32];
    if (n <= LIVE) return;
    snprintf(name, sizeof name, "files/%u", n - LIVE);
    if (unlink(name) && errno != ENOENT) die("delete");
    flush_folder("files");
}

static void run(const char *writer, long count) {
    off_t end;
    int log = open("log", O_RDWR | O_CREAT, 0600);
    if (log < 0) die("open the log");
    uint32_t n = last_of(log, &end);
    if (ftruncate(log, end) || lseek(log, end, SEEK_SET) < 0) die("cut the log");
    flush(log);
    flush_folder(".");
    for (; count != 0; count--) {
        n++;
        switch (n % KINDS) {
        case NOISE: noise(n); break;
        case CREATE: create(n); break;
        case OVERWRITE: overwrite(n); break;
        case DELETE: delete(n); break;
        default: break;
        }
        append(log, n);
        printf("%s %u\n", writer, n);
    }
}

static int wrong(const char *what, uint32_t n, uint32_t last) {
    printf("%s %u is wrong; the log ends with %u\n", what, n, last);
    return 1;
}

/* Whether `name` contains the `length` bytes of record n at `at`, and with `whole` nothing more. */
static int holds(const char *name, off_t at, uint32_t n, uint32_t length, int whole) {
    static unsigned char found[MOST];
    struct stat about;
    int fd = open(name, O_RDONLY);
    if (fd < 0) return 0;
    int good = pread(fd, found, length, at) == (ssize_t)length && !fstat(fd, &about)
               && (!whole || about.st_size == (off_t)length);
    close(fd);
    fill(n, length);
    return good && !memcmp(found, content, length);
}

static int check(void) {
    off_t end;
    char name[32];
    int log = open("log", O_RDONLY), bad = 0;
    uint32_t last = log < 0 ? 0 : last_of(log, &end), next = last + 1;
    for (uint32_t n = CREATE; n <= last; n += KINDS) {
        snprintf(name, sizeof name, "files/%u", n);
        if (n + LIVE <= last) {
            if (!access(name, F_OK)) bad |= wrong("a deleted file came back:", n, last);
        } else if (n + LIVE == next && access(name, F_OK)) {
            continue; /* the deletion under way */
        } else if (!holds(name, 0, n, file_length(n), 1)) bad |= wrong("file", n, last);
    }
    snprintf(name, sizeof name, "files/%u", next);
    if (!access(name, F_OK) && !holds(name, 0, next, file_length(next), 1)) bad |= wrong("renamed file", next, last);
    for (uint32_t slot = 0; slot < SLOTS; slot++) {
        uint32_t n = last;
        while (n > 0 && (n % KINDS != OVERWRITE || slot_of(n) != slot)) n--;
        int under_way = next % KINDS == OVERWRITE && slot_of(next) == slot;
        if (n > 0 && !under_way && !holds("slots", (off_t)slot * SLOT, n, SLOT, 0)) bad |= wrong("slot of", n, last);
    }
    if (!bad) printf("%u\n", last);
    return bad;
}

int main(int count, char **arguments) {
    if (count < 4) { fprintf(stderr, "usage: workload run|check FOLDER WRITER [COUNT]\n"); return 2; }
    char folder[256];
    snprintf(folder, sizeof folder, "%s/%s", arguments[2], arguments[3]);
    setvbuf(stdout, NULL, _IOLBF, 0);
    mkdir(arguments[2], 0700);
    mkdir(folder, 0700);
    if (chdir(folder)) die("enter the folder");
    mkdir("files", 0700);
    flush_folder("..");
    flush_folder("../..");
    if (!strcmp(arguments[1], "check")) return check();
    run(arguments[3], count > 4 ? atol(arguments[4]) : -1);
    return 0;
}
