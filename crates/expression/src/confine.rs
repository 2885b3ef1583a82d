//! What a worker gives up before it reads the first program.
//!
//! Measures without which a program could harm the host are required: memory, core dumps, files. The rest is a second
//! wall, since nothing that is linked asks the system for anything: where the system lacks one, the worker says so and
//! the parent logs it.

use std::{fs, io};

use nix::{
    sys::resource::{Resource, setrlimit},
    unistd::close,
};

use crate::Limits;

/// The standard streams, which are the socket and twice nothing.
const STANDARD_STREAMS: i32 = 3;

/// Cuts the process off from its parent's fate and files. Must run before the process has a second thread.
pub(crate) fn detach(parent: u32) -> io::Result<Vec<String>> {
    let mut missing = Vec::new();
    if close_inherited().is_err() {
        missing.push("closing inherited files".to_owned());
    }
    require(Resource::RLIMIT_CORE, 0)?;
    require(Resource::RLIMIT_FSIZE, 0)?;
    missing.extend(linux::detach(parent)?);
    Ok(missing)
}

/// Limits memory and takes away all but a handful of system calls, for all threads that are there.
pub(crate) fn confine(limits: &Limits) -> io::Result<Vec<String>> {
    require(Resource::RLIMIT_AS, limits.memory_bytes)?;
    // What is open stays open, and nothing more can be.
    require(Resource::RLIMIT_NOFILE, 0)?;
    let mut missing = Vec::new();
    // Counts the user's processes everywhere; root is exempt, and system calls are filtered anyway.
    if setrlimit(Resource::RLIMIT_NPROC, 0, 0).is_err() {
        missing.push("a limit of processes".to_owned());
    }
    missing.extend(linux::filter_system_calls());
    Ok(missing)
}

fn require(resource: Resource, limit: u64) -> io::Result<()> {
    setrlimit(resource, limit, limit).map_err(io::Error::from)
}

/// Closes what the parent forgot to mark as its own. Rust marks all it opens; a C library may not.
fn close_inherited() -> io::Result<()> {
    let names: Vec<_> = fs::read_dir("/proc/self/fd")?
        .map(|entry| entry.map(|entry| entry.file_name()))
        .collect();
    for name in names {
        let number = name?.to_str().and_then(|name| name.parse::<i32>().ok());
        if let Some(number) = number.filter(|number| *number >= STANDARD_STREAMS) {
            // The folder that was just read is among them and closed already.
            let _ = close(number);
        }
    }
    Ok(())
}

#[cfg(target_os = "linux")]
mod linux {
    use std::io;

    use nix::{
        sys::{prctl, signal::Signal},
        unistd::getppid,
    };
    use seccompiler::{BpfProgram, SeccompAction, SeccompFilter, apply_filter_all_threads};

    /// All that evaluation needs: the socket, memory, locks, time, and to end.
    const SYSTEM_CALLS: [i64; 26] = [
        libc::SYS_read,
        libc::SYS_write,
        libc::SYS_writev,
        libc::SYS_brk,
        libc::SYS_mmap,
        libc::SYS_munmap,
        libc::SYS_mremap,
        libc::SYS_mprotect,
        libc::SYS_madvise,
        libc::SYS_futex,
        libc::SYS_sched_yield,
        libc::SYS_restart_syscall,
        libc::SYS_clock_gettime,
        libc::SYS_getrandom,
        libc::SYS_getrusage,
        libc::SYS_getpid,
        libc::SYS_gettid,
        libc::SYS_tgkill,
        libc::SYS_rt_sigaction,
        libc::SYS_rt_sigprocmask,
        libc::SYS_rt_sigreturn,
        libc::SYS_sigaltstack,
        libc::SYS_set_robust_list,
        libc::SYS_close,
        libc::SYS_exit,
        libc::SYS_exit_group,
    ];

    pub(super) fn detach(parent: u32) -> io::Result<Vec<String>> {
        let mut missing = Vec::new();
        // Sent when the thread that started the worker ends, which is the one that talks to it.
        prctl::set_pdeathsig(Signal::SIGKILL)?;
        if u32::try_from(getppid().as_raw()).ok() != Some(parent) {
            return Err(io::Error::other("the parent ended before the worker began"));
        }
        if prctl::set_dumpable(false).is_err() {
            missing.push("hiding from debuggers".to_owned());
        }
        if prctl::set_no_new_privs().is_err() {
            missing.push("giving up privileges".to_owned());
        }
        Ok(missing)
    }

    /// Any other call fails with EPERM: no sockets, no files, no processes.
    pub(super) fn filter_system_calls() -> Option<String> {
        install_filter()
            .err()
            .map(|error| format!("a filter of system calls ({error})"))
    }

    fn install_filter() -> Result<(), Box<dyn std::error::Error>> {
        let rules = SYSTEM_CALLS.into_iter().map(|call| (call, Vec::new())).collect();
        let denied = SeccompAction::Errno(libc::EPERM.unsigned_abs());
        let filter = SeccompFilter::new(
            rules,
            denied,
            SeccompAction::Allow,
            std::env::consts::ARCH.try_into()?,
        )?;
        apply_filter_all_threads(&BpfProgram::try_from(filter)?)?;
        Ok(())
    }
}

#[cfg(not(target_os = "linux"))]
mod linux {
    use std::io;

    pub(super) fn detach(_parent: u32) -> io::Result<Vec<String>> {
        Ok(vec!["ending with the parent".to_owned()])
    }

    pub(super) fn filter_system_calls() -> Option<String> {
        Some("a filter of system calls".to_owned())
    }
}
