// The first process of every pod's sandbox: it holds the pod's namespaces open, reaps what is left to it, and ends
// when told to. Freestanding: no C library, no writable data; the image is this one file.
#if defined(__x86_64__)
static long call4(long number, long a, long b, long c, long d) {
  long result;
  register long r10 __asm__("r10") = d;
  __asm__ volatile("syscall"
                   : "=a"(result)
                   : "a"(number), "D"(a), "S"(b), "d"(c), "r"(r10)
                   : "rcx", "r11", "memory");
  return result;
}
enum { kSigprocmask = 14, kSigtimedwait = 128, kWait4 = 61, kExit = 231 };
#elif defined(__aarch64__)
static long call4(long number, long a, long b, long c, long d) {
  register long x8 __asm__("x8") = number;
  register long x0 __asm__("x0") = a;
  register long x1 __asm__("x1") = b;
  register long x2 __asm__("x2") = c;
  register long x3 __asm__("x3") = d;
  __asm__ volatile("svc 0" : "+r"(x0) : "r"(x8), "r"(x1), "r"(x2), "r"(x3) : "memory");
  return x0;
}
enum { kSigprocmask = 135, kSigtimedwait = 137, kWait4 = 260, kExit = 94 };
#else
#error "pause is written for x86-64 and arm64"
#endif

enum { kBlock = 0, kInterrupt = 2, kTerminate = 15, kChild = 17, kNoHang = 1 };

void _start(void) {
  // Signals are awaited, not handled: blocked ones queue even for process 1, which ignores unhandled ones.
  unsigned long all = ~0ul;
  call4(kSigprocmask, kBlock, (long)&all, 0, sizeof all);
  for (;;) {
    long signal = call4(kSigtimedwait, (long)&all, 0, 0, sizeof all);
    if (signal == kInterrupt || signal == kTerminate) call4(kExit, 0, 0, 0, 0);
    if (signal == kChild)
      while (call4(kWait4, -1, 0, kNoHang, 0) > 0) {
      }
  }
}
