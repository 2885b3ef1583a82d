//! What a worker cannot do, as the system sees it.

use std::{fs, os::fd::AsFd};

use super::*;

/// Starts a jail and returns it with the process id of its worker.
fn started() -> (Jail, u32) {
    let jail = single();
    assert_eq!(evaluate_one(&jail, filter("true")), Ok(Output::Boolean(true)));
    let worker = *jail.status().workers.first().expect("it has answered");
    (jail, worker)
}

fn field(worker: u32, file: &str, name: &str) -> String {
    let text =
        fs::read_to_string(format!("/proc/{worker}/{file}")).expect("the worker lives as long as its jail");
    let value = text
        .lines()
        .find_map(|line| line.strip_prefix(name))
        .expect("the kernel knows the field");
    value.split_whitespace().next().unwrap_or_default().to_owned()
}

#[test]
fn its_memory_files_and_core_dumps_are_limited() {
    let (_jail, worker) = started();
    assert_eq!(
        field(worker, "limits", "Max address space"),
        (512 << 20).to_string()
    );
    assert_eq!(field(worker, "limits", "Max core file size"), "0");
    assert_eq!(field(worker, "limits", "Max open files"), "0");
    assert_eq!(field(worker, "limits", "Max file size"), "0");
    assert_eq!(field(worker, "limits", "Max processes"), "0");
}

#[test]
fn its_system_calls_are_filtered_and_it_gains_no_privileges() {
    let (_jail, worker) = started();
    assert_eq!(field(worker, "status", "NoNewPrivs:"), "1");
    assert_eq!(field(worker, "status", "Seccomp:"), "2");
}

#[test]
fn it_has_no_environment_and_no_files_of_its_parent() {
    // A file that a careless library left open for children: `dup` forgets to close it there.
    let careless = nix::unistd::dup(fs::File::open("/etc/hostname").unwrap().as_fd()).unwrap();
    let (_jail, worker) = started();
    drop(careless);
    let Ok(environment) = fs::read(format!("/proc/{worker}/environ")) else {
        eprintln!("NOT CHECKED: only root may look into a worker that hides from debuggers");
        return;
    };
    assert_eq!(environment, b"");

    let mut files: Vec<_> = fs::read_dir(format!("/proc/{worker}/fd"))
        .unwrap()
        .map(|file| {
            fs::read_link(file.unwrap().path())
                .unwrap()
                .to_string_lossy()
                .into_owned()
        })
        .map(|target| target.split(':').next().unwrap_or_default().to_owned())
        .collect();
    files.sort();
    // The socket as standard input, and as the copies that the worker reads and writes.
    assert_eq!(files, ["/dev/null", "/dev/null", "socket", "socket", "socket"]);
}

#[test]
fn it_ends_with_its_jail() {
    let (jail, worker) = started();
    drop(jail);
    wait_until("the worker is gone", || {
        !fs::exists(format!("/proc/{worker}")).unwrap()
    });
}
