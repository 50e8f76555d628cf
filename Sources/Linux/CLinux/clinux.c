#include "clinux.h"
#include <errno.h>
#include <linux/sched.h>
#include <malloc.h>
#include <signal.h>
#include <spawn.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/statfs.h>
#include <sys/sysmacros.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

long clinux_call(long number, long a, long b, long c, long d, long e, long f) {
    long result = syscall(number, a, b, c, d, e, f);
    return result == -1 ? -errno : result;
}

long clinux_clone3(uint64_t flags, int *pidfd, int exit_signal, int cgroup) {
    struct clone_args args;
    memset(&args, 0, sizeof args);
    args.flags = flags;
    args.exit_signal = (uint64_t)exit_signal;
    if (pidfd) { args.flags |= CLONE_PIDFD; args.pidfd = (uint64_t)(uintptr_t)pidfd; }
    if (cgroup >= 0) { args.flags |= CLONE_INTO_CGROUP; args.cgroup = (uint64_t)cgroup; }
    long result = syscall(SYS_clone3, &args, sizeof args);
    return result == -1 ? -errno : result;
}

long clinux_waitid(int idtype, uint32_t id, int options, struct clinux_child *child) {
    siginfo_t info;
    memset(&info, 0, sizeof info);
    if (waitid((idtype_t)idtype, id, &info, options) == -1) return -errno;
    child->pid = info.si_pid;
    child->code = info.si_code;
    child->status = info.si_status;
    return 0;
}

enum { MAX_FDS = 16 };

long clinux_send(int socket, const void *bytes, size_t count, const int *fds, size_t fd_count, int flags) {
    if (fd_count > MAX_FDS) return -EINVAL;
    struct iovec io = { (void *)bytes, count };
    union { char space[CMSG_SPACE(MAX_FDS * sizeof(int))]; struct cmsghdr align; } control;
    struct msghdr message;
    memset(&message, 0, sizeof message);
    message.msg_iov = &io;
    message.msg_iovlen = 1;
    if (fd_count > 0) {
        memset(&control, 0, sizeof control);
        message.msg_control = control.space;
        message.msg_controllen = CMSG_SPACE(fd_count * sizeof(int));
        struct cmsghdr *header = CMSG_FIRSTHDR(&message);
        header->cmsg_level = SOL_SOCKET;
        header->cmsg_type = SCM_RIGHTS;
        header->cmsg_len = CMSG_LEN(fd_count * sizeof(int));
        memcpy(CMSG_DATA(header), fds, fd_count * sizeof(int));
    }
    ssize_t result = sendmsg(socket, &message, flags | MSG_NOSIGNAL);
    return result == -1 ? -errno : result;
}

long clinux_receive(int socket, void *bytes, size_t count, int *fds, size_t fd_capacity, size_t *fd_count, int flags) {
    struct iovec io = { bytes, count };
    union { char space[CMSG_SPACE(MAX_FDS * sizeof(int))]; struct cmsghdr align; } control;
    struct msghdr message;
    memset(&message, 0, sizeof message);
    message.msg_iov = &io;
    message.msg_iovlen = 1;
    message.msg_control = control.space;
    message.msg_controllen = sizeof control.space;
    *fd_count = 0;
    ssize_t result = recvmsg(socket, &message, flags | MSG_CMSG_CLOEXEC);
    if (result == -1) return -errno;
    int cut = (message.msg_flags & MSG_CTRUNC) != 0;
    for (struct cmsghdr *header = CMSG_FIRSTHDR(&message); header; header = CMSG_NXTHDR(&message, header)) {
        if (header->cmsg_level != SOL_SOCKET || header->cmsg_type != SCM_RIGHTS) continue;
        size_t arrived = (header->cmsg_len - CMSG_LEN(0)) / sizeof(int);
        for (size_t i = 0; i < arrived; i++) {
            int fd;
            memcpy(&fd, CMSG_DATA(header) + i * sizeof(int), sizeof fd);
            if (*fd_count < fd_capacity) fds[(*fd_count)++] = fd;
            else { close(fd); cut = 1; }
        }
    }
    if (cut) {
        for (size_t i = 0; i < *fd_count; i++) close(fds[i]);
        *fd_count = 0;
        return -EMSGSIZE;
    }
    return result;
}

long clinux_peer(int socket, int32_t *pid, uint32_t *uid, uint32_t *gid) {
    struct ucred peer;
    socklen_t length = sizeof peer;
    if (getsockopt(socket, SOL_SOCKET, SO_PEERCRED, &peer, &length) == -1) return -errno;
    *pid = peer.pid;
    *uid = peer.uid;
    *gid = peer.gid;
    return 0;
}

static long unix_address(const char *path, struct sockaddr_un *address) {
    memset(address, 0, sizeof *address);
    address->sun_family = AF_UNIX;
    size_t length = strlen(path);
    if (length >= sizeof address->sun_path) return -ENAMETOOLONG;
    memcpy(address->sun_path, path, length);
    return 0;
}

long clinux_bind_unix(int socket, const char *path) {
    struct sockaddr_un address;
    long error = unix_address(path, &address);
    if (error) return error;
    return bind(socket, (struct sockaddr *)&address, sizeof address) == -1 ? -errno : 0;
}

long clinux_connect_unix(int socket, const char *path) {
    struct sockaddr_un address;
    long error = unix_address(path, &address);
    if (error) return error;
    return connect(socket, (struct sockaddr *)&address, sizeof address) == -1 ? -errno : 0;
}

const char *clinux_error_name(int error) { return strerrorname_np(error); }
const char *clinux_error_words(int error) { return strerrordesc_np(error); }

uint64_t clinux_makedev(uint32_t major_number, uint32_t minor_number) { return makedev(major_number, minor_number); }
uint32_t clinux_major(uint64_t device) { return major(device); }
uint32_t clinux_minor(uint64_t device) { return minor(device); }

long clinux_filesystem_type(int fd, uint64_t *type) {
    struct statfs info;
    if (fstatfs(fd, &info) == -1) return -errno;
    *type = (uint64_t)info.f_type & 0xffffffff;
    return 0;
}

long clinux_spawn(const char *path, char *const argv[], char *const envp[], const int *fds, size_t fd_count, int new_session) {
    posix_spawn_file_actions_t actions;
    posix_spawnattr_t attributes;
    if (posix_spawn_file_actions_init(&actions) != 0) return -ENOMEM;
    if (posix_spawnattr_init(&attributes) != 0) { posix_spawn_file_actions_destroy(&actions); return -ENOMEM; }
    int error = 0;
    // Two rounds, so that no source is overwritten before it has been copied: first above every target, then down.
    int base = (int)fd_count;
    for (size_t i = 0; i < fd_count; i++) if (fds[i] >= base) base = fds[i] + 1;
    for (size_t i = 0; i < fd_count && !error; i++) error = posix_spawn_file_actions_adddup2(&actions, fds[i], base + (int)i);
    for (size_t i = 0; i < fd_count && !error; i++) error = posix_spawn_file_actions_adddup2(&actions, base + (int)i, (int)i);
    if (!error) error = posix_spawn_file_actions_addclosefrom_np(&actions, (int)fd_count);
    sigset_t set;
    sigemptyset(&set);
    if (!error) error = posix_spawnattr_setsigmask(&attributes, &set);
    sigfillset(&set);
    if (!error) error = posix_spawnattr_setsigdefault(&attributes, &set);
    short flags = POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF | (new_session ? POSIX_SPAWN_SETSID : 0);
    if (!error) error = posix_spawnattr_setflags(&attributes, flags);
    pid_t pid = 0;
    if (!error) error = posix_spawn(&pid, path, &actions, &attributes, argv, envp);
    posix_spawnattr_destroy(&attributes);
    posix_spawn_file_actions_destroy(&actions);
    return error ? -(long)error : pid;
}

void clinux_release_memory(void) { malloc_trim(0); }
