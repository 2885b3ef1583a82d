//! A thread with a runtime of its own, so that a receiver or proxy serves synchronous tests, tests of any runtime
//! flavour and tests that pause time, and ends with its owner.

use std::future::Future;
use std::thread::JoinHandle;
use tokio::sync::oneshot;

/// Runs a future until this is dropped.
#[derive(Debug)]
pub(crate) struct Thread {
    stop: Option<oneshot::Sender<()>>,
    handle: Option<JoinHandle<()>>,
}

impl Thread {
    /// Starts `serve` on a thread called `name`. Every task it spawns ends with it.
    pub(crate) fn start<F>(name: &str, serve: impl FnOnce() -> F + Send + 'static) -> Self
    where
        F: Future<Output = ()>,
    {
        let (stop, stopped) = oneshot::channel();
        let run = move || {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()
                .expect("a runtime starts, because a test has file descriptors left");
            runtime.block_on(async {
                tokio::select! {
                    () = serve() => {}
                    _ = stopped => {}
                }
            });
        };
        let handle = std::thread::Builder::new()
            .name(name.to_owned())
            .spawn(run)
            .expect("a thread starts, because a test has few");
        Self {
            stop: Some(stop),
            handle: Some(handle),
        }
    }
}

impl Drop for Thread {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(handle) = self.handle.take() {
            // A panic in there has been printed already.
            let _ended = handle.join();
        }
    }
}
