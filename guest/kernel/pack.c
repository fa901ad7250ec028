// pack: rewrites a vmlinux so that a VMM reads no more than it must. build.sh compiles and runs it after `strip`.
//
// The linker pads .text, the entry code, .rodata and .data to 2 MB each (code with 0xcc, data with zeros), and whole pages of .data are
// zero: 5 MB of 12. A loader copies them into guest memory page by page, and each page costs a fault. pack cuts every PT_LOAD at such
// runs and lets p_memsz cover them: bytes past p_filesz are zero, says the ELF specification. (Padding between functions becomes zeros
// instead of int3; nothing jumps there.) Sections and symbols go; the PVH note stays.
#include <elf.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { PAGE = 4096, GAP = 4 * PAGE, MAX = 60 };  // shorter blank runs are cheaper to copy than to give a header; 60 headers fit one page

static void die(const char *why) { fprintf(stderr, "pack: %s\n", why); exit(1); }

static int blank(const unsigned char *p, size_t n, int code) {
  if (*p != 0 && !(code && n == PAGE && *p == 0xcc)) return 0;
  for (size_t i = 1; i < n; i++) if (p[i] != *p) return 0;
  return 1;
}

int main(int argc, char **argv) {
  if (argc != 3) die("usage: pack VMLINUX OUT");
  FILE *f = fopen(argv[1], "rb");
  if (!f || fseek(f, 0, SEEK_END)) die("cannot read the input");
  size_t size = ftell(f); rewind(f);
  unsigned char *in = malloc(size);
  if (!in || fread(in, 1, size, f) != size) die("cannot read the input");
  fclose(f);

  Elf64_Ehdr *eh = (Elf64_Ehdr *)in, out = *eh;
  if (size < sizeof *eh || memcmp(eh->e_ident, ELFMAG, SELFMAG) || eh->e_ident[EI_CLASS] != ELFCLASS64) die("not a 64-bit ELF");
  Elf64_Phdr *ph = (Elf64_Phdr *)(in + eh->e_phoff), next[MAX];
  size_t from[MAX], n = 0, end = PAGE;
  for (int i = 0; i < eh->e_phnum; i++) {
    if (ph[i].p_type != PT_LOAD) continue;
    const unsigned char *data = in + ph[i].p_offset;
    size_t len = ph[i].p_filesz, first = n;
    int code = (ph[i].p_flags & (PF_X | PF_W)) == PF_X;
    if (ph[i].p_offset + len > size || ph[i].p_paddr % PAGE) die("unexpected segment");
    for (size_t at = 0; at < len;) {
      size_t page = len - at < PAGE ? len - at : PAGE;
      if (blank(data + at, page, code)) { at += page; continue; }
      size_t stop = at, seen = at;  // [at, seen) has data; it ends where a long blank run or the segment begins
      while (stop < len && stop - seen < GAP) {
        page = len - stop < PAGE ? len - stop : PAGE;
        if (!blank(data + stop, page, code)) seen = stop + page;
        stop += page;
      }
      if (n + 1 >= MAX) die("too many pieces");
      from[n] = ph[i].p_offset + at;
      next[n] = ph[i];
      next[n].p_offset = end; next[n].p_vaddr += at; next[n].p_paddr += at; next[n].p_filesz = seen - at; next[n].p_align = PAGE;
      end += (next[n].p_filesz + PAGE - 1) / PAGE * PAGE;
      at = stop; n++;
    }
    if (first == n) die("a blank segment");
    for (size_t k = first; k < n; k++)  // zero up to the next piece, and to the end of the segment
      next[k].p_memsz = (k + 1 < n ? next[k + 1].p_paddr : ph[i].p_paddr + ph[i].p_memsz) - next[k].p_paddr;
  }
  size_t pieces = n;
  for (int i = 0; i < eh->e_phnum; i++) {
    if (ph[i].p_type != PT_NOTE) continue;
    next[n] = ph[i];
    for (size_t k = 0; k < pieces; k++)
      if (ph[i].p_paddr >= next[k].p_paddr && ph[i].p_paddr + ph[i].p_filesz <= next[k].p_paddr + next[k].p_filesz)
        next[n].p_offset = next[k].p_offset + (ph[i].p_paddr - next[k].p_paddr);
    if (next[n].p_offset == ph[i].p_offset) die("the note is in no segment");
    n++;
    break;
  }

  out.e_phoff = sizeof out; out.e_phnum = n; out.e_shoff = 0; out.e_shnum = 0; out.e_shstrndx = SHN_UNDEF;
  f = fopen(argv[2], "wb");
  if (!f || fwrite(&out, sizeof out, 1, f) != 1 || fwrite(next, sizeof *next, n, f) != n) die("cannot write the output");
  size_t loaded = 0;
  for (size_t k = 0; k < pieces; k++) {
    if (fseek(f, next[k].p_offset, SEEK_SET) || fwrite(in + from[k], 1, next[k].p_filesz, f) != next[k].p_filesz) die("cannot write the output");
    loaded += next[k].p_filesz;
  }
  if (fclose(f)) die("cannot write the output");
  printf("%zu pieces, %zu KiB to load\n", pieces, loaded / 1024);
  return 0;
}
