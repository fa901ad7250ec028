/* An attacker in a box, for races.test.ts: swaps each folder NAME of the current directory for a symlink to TARGET and back, as fast
 * as the kernel can, and makes again what others remove. Ends at SIGTERM and says how often it swapped.
 *
 *   attacker TARGET NAME...
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

static volatile sig_atomic_t over;

static void end(int signal)
{
	(void)signal;
	over = 1;
}

static void make(const char *name, const char *link, const char *target)
{
	char file[256];

	mkdir(name, 0755);
	snprintf(file, sizeof file, "%s/file", name);
	close(open(file, O_CREAT | O_WRONLY | O_NOFOLLOW, 0644));
	if (symlink(target, link) && errno != EEXIST && errno != ENOENT)
		perror("symlink");
}

int main(int count, char **args)
{
	unsigned long swaps = 0;
	char link[256];

	signal(SIGTERM, end);
	while (!over) {
		for (int i = 2; i < count; i++) {
			snprintf(link, sizeof link, "%s.link", args[i]);
			if (renameat2(AT_FDCWD, args[i], AT_FDCWD, link, RENAME_EXCHANGE) == 0)
				swaps++;
			else
				make(args[i], link, args[1]);
		}
	}
	printf("%lu\n", swaps);
	return 0;
}
