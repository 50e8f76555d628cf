/// The system calls that every container may make, grouped by what they are for. Names that the running architecture or
/// the installed libseccomp does not have are passed over when the profile is compiled.
enum AllowedSystemCalls {
    static let all = files + metadata + directories + descriptors + events + memory + processes + identity + signals + scheduling
        + clocks + sockets + messages + architecture

    static let files = words("""
        close close_range copy_file_range creat fadvise64 fadvise64_64 arm_fadvise64_64 fallocate fdatasync fsync ftruncate ftruncate64
        _llseek lseek open openat openat2 pread64 preadv preadv2 pwrite64 pwritev pwritev2 read readahead readv sendfile sendfile64
        splice sync sync_file_range sync_file_range2 arm_sync_file_range syncfs tee truncate truncate64 vmsplice write writev cachestat
        """)
    static let metadata = words("""
        access chmod chown chown32 faccessat faccessat2 fchmod fchmodat fchmodat2 fchown fchown32 fchownat fgetxattr flistxattr
        fremovexattr fsetxattr fstat fstat64 fstatat64 fstatfs fstatfs64 futimesat getxattr lchown lchown32 lgetxattr listxattr
        llistxattr lremovexattr lsetxattr lstat lstat64 name_to_handle_at newfstatat removexattr setxattr stat stat64 statfs
        statfs64 statx umask utime utimensat utimensat_time64 utimes
        """)
    static let directories = words("""
        chdir fchdir getcwd getdents getdents64 link linkat mkdir mkdirat mknod mknodat readlink readlinkat rename renameat
        renameat2 rmdir symlink symlinkat unlink unlinkat
        """)
    static let descriptors = words("""
        dup dup2 dup3 fcntl fcntl64 flock ioctl memfd_create memfd_secret pipe pipe2
        """)
    static let events = words("""
        epoll_create epoll_create1 epoll_ctl epoll_ctl_old epoll_pwait epoll_pwait2 epoll_wait epoll_wait_old eventfd eventfd2
        fanotify_mark inotify_add_watch inotify_init inotify_init1 inotify_rm_watch io_cancel io_destroy io_getevents io_pgetevents
        io_pgetevents_time64 io_setup io_submit poll ppoll ppoll_time64 pselect6 pselect6_time64 select _newselect signalfd signalfd4
        """)
    static let memory = words("""
        brk madvise map_shadow_stack membarrier mincore mlock mlock2 mlockall mmap mmap2 mprotect mremap msync munlock munlockall
        munmap pkey_alloc pkey_free pkey_mprotect process_mrelease process_vm_readv process_vm_writev remap_file_pages
        """)
    static let processes = words("""
        execve execveat exit exit_group fork futex futex_requeue futex_time64 futex_wait futex_waitv futex_wake get_robust_list
        get_thread_area getpgid getpgrp getpid getppid getrandom getrlimit getrusage getsid gettid landlock_add_rule
        landlock_create_ruleset landlock_restrict_self pidfd_open pidfd_send_signal prctl prlimit64 ptrace restart_syscall rseq
        seccomp set_robust_list set_thread_area set_tid_address setpgid setrlimit setsid sysinfo ugetrlimit uname vfork wait4
        waitid waitpid
        """)
    static let identity = words("""
        capget capset getegid getegid32 geteuid geteuid32 getgid getgid32 getgroups getgroups32 getresgid getresgid32 getresuid
        getresuid32 getuid getuid32 setfsgid setfsgid32 setfsuid setfsuid32 setgid setgid32 setgroups setgroups32 setregid
        setregid32 setresgid setresgid32 setresuid setresuid32 setreuid setreuid32 setuid setuid32
        """)
    static let signals = words("""
        alarm kill pause rt_sigaction rt_sigpending rt_sigprocmask rt_sigqueueinfo rt_sigreturn rt_sigsuspend rt_sigtimedwait
        rt_sigtimedwait_time64 rt_tgsigqueueinfo sigaltstack sigprocmask sigreturn tgkill tkill
        """)
    static let scheduling = words("""
        getcpu getpriority ioprio_get ioprio_set nice sched_get_priority_max sched_get_priority_min sched_getaffinity sched_getattr
        sched_getparam sched_getscheduler sched_rr_get_interval sched_rr_get_interval_time64 sched_setaffinity sched_setattr
        sched_setparam sched_setscheduler sched_yield setpriority
        """)
    static let clocks = words("""
        adjtimex clock_adjtime clock_adjtime64 clock_getres clock_getres_time64 clock_gettime clock_gettime64 clock_nanosleep
        clock_nanosleep_time64 getitimer gettimeofday nanosleep setitimer time timer_create timer_delete timer_getoverrun
        timer_gettime timer_gettime64 timer_settime timer_settime64 timerfd_create timerfd_gettime timerfd_gettime64
        timerfd_settime timerfd_settime64 times
        """)
    static let sockets = words("""
        accept accept4 bind connect getpeername getsockname getsockopt listen recv recvfrom recvmmsg recvmmsg_time64 recvmsg send
        sendmmsg sendmsg sendto setsockopt shutdown socketcall socketpair
        """)
    static let messages = words("""
        ipc mq_getsetattr mq_notify mq_open mq_timedreceive mq_timedreceive_time64 mq_timedsend mq_timedsend_time64 mq_unlink msgctl
        msgget msgrcv msgsnd semctl semget semop semtimedop semtimedop_time64 shmat shmctl shmdt shmget
        """)
    /// Present on one architecture only.
    static let architecture = words("""
        arch_prctl breakpoint cacheflush modify_ldt riscv_flush_icache set_tls swapcontext
        """)

    private static func words(_ text: String) -> [String] {
        text.split(whereSeparator: \.isWhitespace).map(String.init)
    }
}
