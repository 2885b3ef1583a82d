//! The promises of a batcher, seen from its callers.
#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test may panic")]

use std::sync::mpsc;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use hookyard_batcher::{Batcher, Error, Options, Undrained};
use proptest::prelude::*;
use tokio::runtime::{Builder, Runtime};

const PATIENCE: Duration = Duration::from_secs(30);

/// A batcher whose writer waits for a permit before each batch, reports the batch it took, and echoes the rows.
struct Gated {
    batcher: Batcher<u32, u32>,
    permits: mpsc::Sender<()>,
    taken: mpsc::Receiver<Vec<u32>>,
}

impl Gated {
    fn spawn(options: Options) -> Self {
        let (permits, gate) = mpsc::channel();
        let (report, taken) = mpsc::channel();
        let batcher = Batcher::spawn("gated", options, move |rows: Vec<u32>| {
            report.send(rows.clone()).unwrap();
            gate.recv().unwrap();
            rows
        })
        .unwrap();
        Self {
            batcher,
            permits,
            taken,
        }
    }

    /// Submits a row in a task of its own and waits until the writer holds it, alone.
    fn occupy(&self, runtime: &Runtime, row: u32) -> tokio::task::JoinHandle<Result<u32, Error>> {
        let batcher = self.batcher.clone();
        let task = runtime.spawn(async move { batcher.submit(row).await });
        assert_eq!(self.next_batch(), [row]);
        task
    }

    fn next_batch(&self) -> Vec<u32> {
        self.taken.recv_timeout(PATIENCE).unwrap()
    }
}

fn runtime() -> Runtime {
    Builder::new_multi_thread()
        .worker_threads(2)
        .enable_time()
        .build()
        .unwrap()
}

fn options(capacity: usize, max_batch: usize) -> Options {
    Options {
        capacity,
        max_batch,
        written: None,
    }
}

/// Polls a future once, which is enough to queue a row.
fn poll_once<T>(future: impl Future<Output = T>) -> Option<T> {
    let mut future = std::pin::pin!(future);
    match future
        .as_mut()
        .poll(&mut std::task::Context::from_waker(std::task::Waker::noop()))
    {
        std::task::Poll::Ready(output) => Some(output),
        std::task::Poll::Pending => None,
    }
}

#[test]
fn rows_that_arrive_during_a_write_form_the_next_batch() {
    let (runtime, gated) = (runtime(), Gated::spawn(options(10, 10)));
    let first = gated.occupy(&runtime, 0);
    for row in 1..=3 {
        assert_eq!(poll_once(gated.batcher.submit(row)), None);
    }
    assert_eq!(gated.batcher.depth(), 3);
    gated.permits.send(()).unwrap();
    assert_eq!(gated.next_batch(), [1, 2, 3]);
    gated.permits.send(()).unwrap();
    assert_eq!(runtime.block_on(first).unwrap(), Ok(0));
}

#[test]
fn whoever_watches_is_told_of_each_batch_that_was_written_before_its_callers_are() {
    static TOLD: Mutex<Vec<(&str, usize, Duration)>> = Mutex::new(Vec::new());
    const WRITE: Duration = Duration::from_millis(20);
    let options = Options {
        written: Some(|name, rows, took| TOLD.lock().unwrap().push((name, rows, took))),
        ..options(10, 10)
    };
    let batcher = Batcher::spawn("watched", options, |rows: Vec<u32>| {
        assert_ne!(rows, [0], "a row that spoils its batch");
        std::thread::sleep(WRITE);
        rows
    })
    .unwrap();
    let runtime = runtime();
    assert_eq!(runtime.block_on(batcher.submit(0)), Err(Error::Lost));
    runtime.block_on(batcher.submit_many(vec![1, 2, 3])).unwrap();
    let told = TOLD.lock().unwrap();
    assert_eq!(told.len(), 1, "{told:?}");
    assert_eq!((told[0].0, told[0].1), ("watched", 3));
    assert!(told[0].2 >= WRITE, "{told:?}");
}

#[test]
fn a_batch_never_exceeds_its_maximum() {
    let (runtime, gated) = (runtime(), Gated::spawn(options(10, 2)));
    let _first = gated.occupy(&runtime, 0);
    assert_eq!(poll_once(gated.batcher.submit_many(vec![1, 2, 3])), None);
    for expected in [vec![1, 2], vec![3]] {
        gated.permits.send(()).unwrap();
        assert_eq!(gated.next_batch(), expected);
    }
    gated.permits.send(()).unwrap();
}

#[test]
fn a_full_queue_refuses_at_once_and_takes_rows_again_later() {
    let (runtime, gated) = (runtime(), Gated::spawn(options(2, 10)));
    let _first = gated.occupy(&runtime, 0);
    assert_eq!(poll_once(gated.batcher.submit(1)), None);
    assert_eq!(poll_once(gated.batcher.submit(2)), None);
    assert_eq!(poll_once(gated.batcher.submit(3)), Some(Err(Error::Full)));
    gated.permits.send(()).unwrap();
    assert_eq!(gated.next_batch(), [1, 2]);
    assert_eq!(poll_once(gated.batcher.submit(4)), None);
    gated.permits.send(()).unwrap();
    assert_eq!(gated.next_batch(), [4]);
    gated.permits.send(()).unwrap();
}

#[test]
fn several_rows_enter_a_full_queue_together_or_not_at_all() {
    let (runtime, gated) = (runtime(), Gated::spawn(options(3, 10)));
    let _first = gated.occupy(&runtime, 0);
    assert_eq!(poll_once(gated.batcher.submit(1)), None);
    assert_eq!(
        poll_once(gated.batcher.submit_many(vec![2, 3, 4])),
        Some(Err(Error::Full))
    );
    assert_eq!(gated.batcher.depth(), 1);
    assert_eq!(poll_once(gated.batcher.submit_many(vec![5, 6])), None);
    gated.permits.send(()).unwrap();
    assert_eq!(gated.next_batch(), [1, 5, 6]);
    gated.permits.send(()).unwrap();
}

#[test]
fn no_rows_are_answered_by_no_answers() {
    let gated = Gated::spawn(options(1, 1));
    assert_eq!(poll_once(gated.batcher.submit_many(vec![])), Some(Ok(vec![])));
}

#[test]
fn a_caller_that_goes_away_cancels_nothing() {
    let (runtime, gated) = (runtime(), Gated::spawn(options(10, 10)));
    let first = gated.occupy(&runtime, 0);
    first.abort();
    assert_eq!(poll_once(gated.batcher.submit(1)), None); // dropped right after it was queued
    gated.permits.send(()).unwrap();
    assert_eq!(gated.next_batch(), [1]);
    gated.permits.send(()).unwrap();
}

#[test]
fn a_panic_loses_its_own_batch_and_no_other() {
    let batcher = Batcher::spawn("panics", options(10, 1), |rows: Vec<u32>| {
        assert_ne!(rows, [13], "thirteen is refused, loudly");
        rows
    })
    .unwrap();
    runtime().block_on(async {
        assert_eq!(batcher.submit(12).await, Ok(12));
        assert_eq!(batcher.submit(13).await, Err(Error::Lost));
        assert_eq!(batcher.submit(14).await, Ok(14));
        assert_eq!(batcher.submit_many(vec![12, 13, 14]).await, Err(Error::Lost));
    });
}

#[test]
fn too_few_or_too_many_answers_are_nobodys() {
    let batcher = Batcher::spawn("miscounts", options(10, 10), |rows: Vec<usize>| {
        let count = rows[0];
        vec![(); count]
    })
    .unwrap();
    runtime().block_on(async {
        assert_eq!(batcher.submit(0).await, Err(Error::Lost));
        assert_eq!(batcher.submit(2).await, Err(Error::Lost));
        assert_eq!(batcher.submit(1).await, Ok(()));
    });
}

#[test]
fn closing_writes_what_is_queued_and_refuses_the_rest() {
    let (runtime, gated) = (runtime(), Gated::spawn(options(10, 1)));
    let first = gated.occupy(&runtime, 0);
    let second = runtime.spawn({
        let batcher = gated.batcher.clone();
        async move { batcher.submit_many(vec![1, 2]).await }
    });
    while gated.batcher.depth() < 2 {
        std::thread::yield_now();
    }
    runtime.block_on(async {
        assert_eq!(
            gated.batcher.close(Duration::ZERO).await,
            Err(Undrained { queued: 2 })
        );
        assert_eq!(gated.batcher.submit(3).await, Err(Error::Closed));
        assert_eq!(gated.batcher.submit_many(vec![4]).await, Err(Error::Closed));
        for _batch in 0..3 {
            gated.permits.send(()).unwrap();
        }
        assert_eq!(gated.batcher.close(PATIENCE).await, Ok(()));
        assert_eq!(gated.batcher.close(PATIENCE).await, Ok(()));
        assert_eq!(first.await.unwrap(), Ok(0));
        assert_eq!(second.await.unwrap(), Ok(vec![1, 2]));
    });
}

#[test]
fn dropping_the_last_clone_writes_what_is_queued_and_ends_the_thread() {
    let (runtime, gated) = (runtime(), Gated::spawn(options(10, 10)));
    let _first = gated.occupy(&runtime, 0);
    assert_eq!(poll_once(gated.batcher.submit(1)), None);
    let Gated {
        batcher,
        permits,
        taken,
    } = gated;
    drop((batcher.clone(), batcher));
    permits.send(()).unwrap();
    permits.send(()).unwrap();
    assert_eq!(taken.recv_timeout(PATIENCE).unwrap(), [1]);
    // The reporting end is dropped with the write function, when the thread ends. The first task still holds a
    // clone until it is answered.
    assert_eq!(
        taken.recv_timeout(PATIENCE),
        Err(mpsc::RecvTimeoutError::Disconnected)
    );
}

/// What one task of the property submits, one element after the other.
#[derive(Debug, Clone)]
enum Submit {
    One,
    Many(usize),
}

fn submits() -> impl Strategy<Value = Vec<Vec<Submit>>> {
    let submit = prop_oneof![3 => Just(Submit::One), 1 => (0..6usize).prop_map(Submit::Many)];
    prop::collection::vec(prop::collection::vec(submit, 0..24), 1..6)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    /// The model: the rows that were admitted, each written exactly once, in its submitter's order, and answered
    /// with its own position; the rows that were refused are never written.
    #[test]
    fn every_admitted_row_is_written_once_and_gets_its_own_answer(
        tasks in submits(), capacity in 1..12usize, max_batch in 1..8usize,
    ) {
        let written = Arc::new(Mutex::new(Vec::new()));
        let batcher = Batcher::spawn("model", options(capacity, max_batch), {
            let written = Arc::clone(&written);
            move |rows: Vec<(usize, usize)>| {
                assert!((1..=max_batch).contains(&rows.len()));
                let mut written = written.lock().unwrap();
                rows.into_iter().map(|row| { written.push(row); (row, written.len() - 1) }).collect::<Vec<_>>()
            }
        }).unwrap();

        let admitted = runtime().block_on(async {
            let tasks: Vec<_> = tasks.into_iter().enumerate()
                .map(|(task, submits)| tokio::spawn(run_task(batcher.clone(), task, submits)))
                .collect();
            let mut admitted = Vec::new();
            for task in tasks {
                admitted.push(task.await.unwrap());
            }
            batcher.close(PATIENCE).await.unwrap();
            admitted
        });

        let written = written.lock().unwrap();
        prop_assert_eq!(written.len(), admitted.iter().map(Vec::len).sum::<usize>());
        for (task, answers) in admitted.into_iter().enumerate() {
            let in_order: Vec<_> = written.iter().enumerate()
                .filter(|(_, row)| row.0 == task)
                .map(|(position, row)| (*row, position))
                .collect();
            prop_assert_eq!(answers, in_order);
        }
    }
}

type Row = (usize, usize);

/// Submits numbered rows and returns the answers of those that were admitted, each naming its row and where it
/// was written.
async fn run_task(
    batcher: Batcher<Row, (Row, usize)>,
    task: usize,
    submits: Vec<Submit>,
) -> Vec<(Row, usize)> {
    let mut answers = Vec::new();
    let mut numbers = 0..;
    for submit in submits {
        let count = match submit {
            Submit::One => 1,
            Submit::Many(count) => count,
        };
        let rows: Vec<Row> = numbers
            .by_ref()
            .take(count)
            .map(|number| (task, number))
            .collect();
        let answered = match submit {
            Submit::One => batcher.submit(rows[0]).await.map(|answer| vec![answer]),
            Submit::Many(_) => batcher.submit_many(rows.clone()).await,
        };
        match answered {
            Ok(answered) => {
                assert_eq!(answered.iter().map(|(row, _)| *row).collect::<Vec<_>>(), rows);
                answers.extend(answered);
            }
            Err(error) => assert_eq!(error, Error::Full),
        }
    }
    answers
}
