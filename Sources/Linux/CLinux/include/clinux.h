// What Swift cannot say: variadic syscall(2), macros with casts, unions and C bit tricks. No logic lives here.
#ifndef CLINUX_H
#define CLINUX_H

#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <stddef.h>
#include <stdint.h>
#include <sys/syscall.h>

/// syscall(2), with the error as a negative errno in the result, as the kernel itself returns it.
long clinux_call(long number, long a, long b, long c, long d, long e, long f);

/// fork-like clone3(2): no shared memory, so the child returns here too, on its own copy of the stack.
/// `pidfd` may be NULL; `cgroup` is a cgroup v2 directory or -1. Returns 0 in the child, the pid, or a negative errno.
long clinux_clone3(uint64_t flags, int *pidfd, int exit_signal, int cgroup);

/// What waitid(2) says of one child: siginfo_t is a union that Swift does not import.
struct clinux_child { int32_t pid; int32_t code; int32_t status; };
/// Returns 0 or a negative errno; `child->pid` is 0 if nobody has changed state (WNOHANG).
long clinux_waitid(int idtype, uint32_t id, int options, struct clinux_child *child);

/// sendmsg(2) with SCM_RIGHTS (CMSG macros). Returns the bytes sent or a negative errno.
long clinux_send(int socket, const void *bytes, size_t count, const int *fds, size_t fd_count, int flags);
/// recvmsg(2); at most `fd_capacity` (<= 16) descriptors arrive, close-on-exec. Returns bytes or a negative errno;
/// -EMSGSIZE if descriptors were cut off (all that did arrive are closed).
long clinux_receive(int socket, void *bytes, size_t count, int *fds, size_t fd_capacity, size_t *fd_count, int flags);
/// Peer credentials (SO_PEERCRED). Returns 0 or a negative errno.
long clinux_peer(int socket, int32_t *pid, uint32_t *uid, uint32_t *gid);
/// bind(2) and connect(2) on a path of at most 107 bytes. Returns 0 or a negative errno.
long clinux_bind_unix(int socket, const char *path);
long clinux_connect_unix(int socket, const char *path);

/// strerrorname_np and strerrordesc_np need _GNU_SOURCE, which Swift's importer does not set. NULL for an unknown errno.
const char *clinux_error_name(int error);
const char *clinux_error_words(int error);

/// makedev(3), major(3), minor(3) are macros.
uint64_t clinux_makedev(uint32_t major, uint32_t minor);
uint32_t clinux_major(uint64_t device);
uint32_t clinux_minor(uint64_t device);

/// The file system type of an open file (statfs f_type). Returns 0 or a negative errno.
long clinux_filesystem_type(int fd, uint64_t *type);

/// posix_spawn(3) with an empty mask, default signals, and no descriptor above `fd_count` but 0...fd_count-1, which are
/// the given `fds` in order. Returns the pid or a negative errno. Here because addclosefrom_np
/// needs _GNU_SOURCE.
long clinux_spawn(const char *path, char *const argv[], char *const envp[], const int *fds, size_t fd_count, int new_session);

/// Gives what the heap holds free back to the kernel: malloc_trim(3), which Swift's Glibc does not show.
void clinux_release_memory(void);

#endif
