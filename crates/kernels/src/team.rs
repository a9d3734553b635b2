//! A small team of threads for data-parallel loops.
//!
//! Tasks are split statically: participant `w` owns a contiguous share of the indices, so the same rows stay in the
//! same core's cache from one loop to the next. Whoever has finished its share helps the others, which keeps a late or
//! preempted thread from holding up the loop; the caller never waits for a thread that has not started.
//! A team that is busy, with a nested call or with another thread's, is not waited for: the loop runs alone on its
//! caller's thread. Kernels split work over outputs only, hence the bits are the same either way.

use std::cell::UnsafeCell;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};
use std::thread::{JoinHandle, Thread};

/// Pauses before a worker parks: some tens of microseconds, about the cost of waking it again.
const SPINS: u32 = 2_000;
/// Pauses between yields while the caller waits for the last running task.
const SPINS_PER_YIELD: u32 = 512;

/// A value alone on its cache lines, so that threads do not disturb each other.
#[repr(align(128))]
struct Padded<T>(T);

/// A loop body, with its type erased: worker index, task index.
type Body<'a> = dyn Fn(usize, usize) + Sync + 'a;

/// What the workers must know of the loop that is open.
struct Job {
    body: *const Body<'static>,
    tasks: usize,
    threads: usize,
}

/// `state` of a team: generation in the high half, [`OPEN`], number of workers inside in the low bits.
const OPEN: u64 = 1 << 31;
const INSIDE: u64 = OPEN - 1;
const GENERATION: u64 = 1 << 32;

struct Shared {
    state: Padded<AtomicU64>,
    /// Next unclaimed index of each participant's share.
    cursors: Vec<Padded<AtomicUsize>>,
    /// Which workers are (about to be) parked.
    parked: Vec<AtomicBool>,
    job: UnsafeCell<Option<Job>>,
    panicked: AtomicBool,
    stop: AtomicBool,
}

// SAFETY: `job` is written only by the thread that holds `Team::busy` while `state` is not OPEN and nobody is inside,
// and read only by workers that have entered while it was OPEN; both sides synchronise through `state`.
unsafe impl Sync for Shared {}
// SAFETY: the pointer in `job` is used only while the loop that published it runs (see above).
unsafe impl Send for Shared {}

/// A team: the calling thread and `threads - 1` workers.
pub struct Team {
    shared: Arc<Shared>,
    workers: Vec<JoinHandle<()>>,
    handles: Vec<Thread>,
    busy: AtomicBool,
}

impl Team {
    /// A team of `threads` participants, the caller included; zero counts as one. If the system refuses
    /// a thread, the team is smaller.
    #[must_use]
    pub fn new(threads: usize) -> Self {
        let threads = threads.max(1);
        let shared = Arc::new(Shared {
            state: Padded(AtomicU64::new(0)),
            cursors: (0..threads).map(|_| Padded(AtomicUsize::new(0))).collect(),
            parked: (0..threads).map(|_| AtomicBool::new(false)).collect(),
            job: UnsafeCell::new(None),
            panicked: AtomicBool::new(false),
            stop: AtomicBool::new(false),
        });
        let workers: Vec<_> = (1..threads)
            .map_while(|index| {
                let shared = Arc::clone(&shared);
                std::thread::Builder::new()
                    .name(format!("lehr-{index}"))
                    .spawn(move || work(&shared, index))
                    .ok()
            })
            .collect();
        let handles = workers.iter().map(|worker| worker.thread().clone()).collect();
        Team { shared, workers, handles, busy: AtomicBool::new(false) }
    }

    /// The team of the process: as many threads as the affinity mask and the cgroup quota allow.
    pub fn shared() -> &'static Team {
        static SHARED: OnceLock<Team> = OnceLock::new();
        SHARED.get_or_init(|| Team::new(Self::default_threads()))
    }

    /// The number of threads the process may use.
    #[must_use]
    pub fn default_threads() -> usize {
        std::thread::available_parallelism().map_or(1, std::num::NonZero::get)
    }

    /// Participants, the caller included.
    #[must_use]
    pub fn threads(&self) -> usize {
        self.workers.len() + 1
    }

    /// Calls `body(task)` once for each task below `tasks`, in any order, and returns when all are done.
    ///
    /// # Panics
    /// If `body` panics; the loop's other running tasks are waited for first.
    pub fn parallel_for(&self, tasks: usize, body: impl Fn(usize) + Sync) {
        self.parallel_for_worker(tasks, |_, task| body(task));
    }

    /// As [`parallel_for`](Self::parallel_for), with `body(worker, task)`: no two concurrent calls get the same `worker`,
    /// which is below [`threads`](Self::threads). This is what hands out per-thread scratch.
    ///
    /// # Panics
    /// As [`parallel_for`](Self::parallel_for).
    pub fn parallel_for_worker(&self, tasks: usize, body: impl Fn(usize, usize) + Sync) {
        let alone = tasks <= 1 || self.workers.is_empty() || self.busy.swap(true, Ordering::Acquire);
        if alone {
            return (0..tasks).for_each(|task| body(0, task));
        }
        let _release = Release(&self.busy);
        self.open(&body, tasks);
        let result = {
            let _close = Close(&self.shared);
            catch_unwind(AssertUnwindSafe(|| take_tasks(&self.shared, self.threads(), 0, tasks, &body)))
        };
        if let Err(panic) = result {
            resume_unwind(panic);
        }
        assert!(!self.shared.panicked.swap(false, Ordering::Relaxed), "a task of a parallel loop panicked");
    }

    /// Calls `body(start, chunk)` for the consecutive chunks of `len` elements that `data` consists of, the last one being
    /// shorter where needed; `start` is the position of the chunk in `data`. Zero counts as one.
    ///
    /// # Panics
    /// As [`parallel_for`](Self::parallel_for).
    pub fn parallel_chunks<T: Send>(
        &self,
        data: &mut [T],
        len: usize,
        body: impl Fn(usize, &mut [T]) + Sync,
    ) {
        let (len, total) = (len.max(1), data.len());
        let parts = Parts::new(data);
        self.parallel_for(total.div_ceil(len), |task| {
            let start = task * len;
            // SAFETY: chunks are disjoint, and each task runs once.
            body(start, unsafe { parts.get(start, len.min(total - start)) });
        });
    }

    fn open(&self, body: &Body<'_>, tasks: usize) {
        let shared = &*self.shared;
        for (worker, cursor) in shared.cursors.iter().enumerate().take(self.threads()) {
            cursor.0.store(share(worker, self.threads(), tasks).0, Ordering::Relaxed);
        }
        shared.panicked.store(false, Ordering::Relaxed);
        let body: *const Body<'_> = body;
        // SAFETY: only the lifetime is erased. Workers use the pointer only between entering and leaving the open job,
        // and `Close` waits for them before the borrow ends.
        let body: *const Body<'static> = unsafe { std::mem::transmute(body) };
        // SAFETY: this thread holds `busy`; the previous job is closed and empty, so no worker reads `job`.
        unsafe { *shared.job.get() = Some(Job { body, tasks, threads: self.threads() }) };
        let generation = (shared.state.0.load(Ordering::Relaxed) & !(OPEN | INSIDE)).wrapping_add(GENERATION);
        shared.state.0.store(generation | OPEN, Ordering::SeqCst);
        for (handle, parked) in self.handles.iter().zip(&shared.parked[1..]) {
            if parked.load(Ordering::SeqCst) {
                handle.unpark();
            }
        }
    }
}

impl Drop for Team {
    fn drop(&mut self) {
        self.shared.stop.store(true, Ordering::SeqCst);
        for handle in &self.handles {
            handle.unpark();
        }
        for worker in self.workers.drain(..) {
            // A worker catches the panics of its tasks, so joining cannot fail.
            let _ = worker.join();
        }
    }
}

impl std::fmt::Debug for Team {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Team").field("threads", &self.threads()).finish()
    }
}

/// Frees the team for the next loop.
struct Release<'a>(&'a AtomicBool);

impl Drop for Release<'_> {
    fn drop(&mut self) {
        self.0.store(false, Ordering::Release);
    }
}

/// Lets nobody else in and waits for those who are inside.
struct Close<'a>(&'a Shared);

impl Drop for Close<'_> {
    fn drop(&mut self) {
        let state = &self.0.state.0;
        state.fetch_and(!OPEN, Ordering::AcqRel);
        let mut spins = 0_u32;
        while state.load(Ordering::Acquire) & INSIDE != 0 {
            std::hint::spin_loop();
            spins = spins.wrapping_add(1);
            if spins.is_multiple_of(SPINS_PER_YIELD) {
                std::thread::yield_now();
            }
        }
    }
}

/// First and one-past-last task of a participant's share.
fn share(worker: usize, threads: usize, tasks: usize) -> (usize, usize) {
    let (each, extra) = (tasks / threads, tasks % threads);
    let start = worker * each + worker.min(extra);
    (start, start + each + usize::from(worker < extra))
}

/// Runs the own share, then what is left of the others'.
fn take_tasks(shared: &Shared, threads: usize, worker: usize, tasks: usize, body: &Body<'_>) {
    for offset in 0..threads {
        let owner = (worker + offset) % threads;
        let end = share(owner, threads, tasks).1;
        let cursor = &shared.cursors[owner].0;
        loop {
            // The look before the claim keeps cursors from running away when a finished share is polled.
            if cursor.load(Ordering::Relaxed) >= end {
                break;
            }
            let task = cursor.fetch_add(1, Ordering::Relaxed);
            if task >= end {
                break;
            }
            body(worker, task);
        }
    }
}

/// A worker's life: wait for a job to open, enter, take tasks, leave.
fn work(shared: &Shared, index: usize) {
    let mut seen = 0;
    while let Some(generation) = wait(shared, index, seen) {
        seen = generation;
        if !enter(shared, generation) {
            continue;
        }
        // SAFETY: this worker has entered the open job, so `job` is published and stays until it leaves.
        if let Some(Job { body, tasks, threads }) = unsafe { &*shared.job.get() } {
            // SAFETY: as above, the loop's borrow outlives our stay.
            let body = unsafe { &**body };
            let run = || take_tasks(shared, *threads, index, *tasks, body);
            if catch_unwind(AssertUnwindSafe(run)).is_err() {
                shared.panicked.store(true, Ordering::Relaxed);
            }
        }
        shared.state.0.fetch_sub(1, Ordering::Release);
    }
}

/// The generation of the next open job, or `None` when the team ends.
fn wait(shared: &Shared, index: usize, seen: u64) -> Option<u64> {
    let mut spins = 0;
    loop {
        if shared.stop.load(Ordering::SeqCst) {
            return None;
        }
        let state = shared.state.0.load(Ordering::SeqCst);
        let generation = state & !(OPEN | INSIDE);
        if state & OPEN != 0 && generation != seen {
            shared.parked[index].store(false, Ordering::Relaxed);
            return Some(generation);
        }
        if spins < SPINS {
            spins += 1;
            std::hint::spin_loop();
        } else if !shared.parked[index].swap(true, Ordering::SeqCst) {
            // Announced; look once more before sleeping, since the job may have opened in between.
        } else {
            std::thread::park();
            shared.parked[index].store(false, Ordering::SeqCst);
            spins = 0;
        }
    }
}

/// Counts this worker in, unless the job has closed meanwhile.
fn enter(shared: &Shared, generation: u64) -> bool {
    let state = &shared.state.0;
    let mut current = state.load(Ordering::Acquire);
    while current & OPEN != 0 && current & !(OPEN | INSIDE) == generation {
        match state.compare_exchange_weak(current, current + 1, Ordering::AcqRel, Ordering::Acquire) {
            Ok(_) => return true,
            Err(now) => current = now,
        }
    }
    false
}

/// A mutable slice whose disjoint parts are handed to the tasks of one loop.
#[derive(Clone, Copy)]
pub(crate) struct Parts<'a, T> {
    start: *mut T,
    len: usize,
    borrow: std::marker::PhantomData<&'a mut [T]>,
}

// SAFETY: it stands for an exclusive borrow of the slice; `get` makes callers promise disjointness.
unsafe impl<T: Send> Sync for Parts<'_, T> {}
// SAFETY: as above.
unsafe impl<T: Send> Send for Parts<'_, T> {}

impl<'a, T> Parts<'a, T> {
    pub(crate) fn new(slice: &'a mut [T]) -> Self {
        Parts { start: slice.as_mut_ptr(), len: slice.len(), borrow: std::marker::PhantomData }
    }

    /// The elements `from..from + len`.
    ///
    /// # Safety
    /// Ranges of calls whose results live at the same time do not overlap.
    #[inline]
    #[allow(clippy::mut_from_ref, reason = "the caller promises disjoint ranges")]
    pub(crate) unsafe fn get(&self, from: usize, len: usize) -> &mut [T] {
        assert!(from <= self.len && len <= self.len - from, "part out of bounds");
        // SAFETY: in bounds by the assertion; exclusive by the caller's promise.
        unsafe { std::slice::from_raw_parts_mut(self.start.add(from), len) }
    }

    /// The first element, for kernels which address rows themselves.
    #[inline]
    pub(crate) fn as_ptr(&self) -> *mut T {
        self.start
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicU32;

    use super::*;

    #[test]
    fn every_task_runs_exactly_once() {
        for threads in [1, 2, 3, 5] {
            let team = Team::new(threads);
            for tasks in [0, 1, 2, 3, 7, 64, 501] {
                let counts: Vec<_> = (0..tasks).map(|_| AtomicU32::new(0)).collect();
                team.parallel_for_worker(tasks, |worker, task| {
                    assert!(worker < team.threads());
                    counts[task].fetch_add(1, Ordering::Relaxed);
                });
                assert!(counts.iter().all(|count| count.load(Ordering::Relaxed) == 1), "{threads} {tasks}");
            }
        }
    }

    #[test]
    fn chunks_cover_the_data() {
        let team = Team::new(2);
        for (total, len) in [(0, 3), (7, 3), (9, 3), (5, 0), (2, 9)] {
            let mut data = vec![0; total];
            team.parallel_chunks(&mut data, len, |start, chunk| {
                chunk.iter_mut().enumerate().for_each(|(i, x)| *x += start + i);
            });
            assert!(data.iter().enumerate().all(|(i, x)| i == *x), "{total} {len}");
        }
    }

    #[test]
    fn many_short_loops_with_and_without_parking() {
        let team = Team::new(3);
        let total = AtomicUsize::new(0);
        for round in 0..2_000 {
            team.parallel_for(5, |task| {
                total.fetch_add(task, Ordering::Relaxed);
            });
            if round % 500 == 0 {
                std::thread::sleep(std::time::Duration::from_millis(2));
            }
        }
        assert_eq!(total.into_inner(), 2_000 * 10);
    }

    #[test]
    fn nested_and_concurrent_loops_run_alone() {
        let team = Team::new(2);
        let total = AtomicUsize::new(0);
        std::thread::scope(|scope| {
            for _ in 0..3 {
                scope.spawn(|| {
                    for _ in 0..100 {
                        team.parallel_for(4, |_| {
                            team.parallel_for(4, |_| {
                                total.fetch_add(1, Ordering::Relaxed);
                            });
                        });
                    }
                });
            }
        });
        assert_eq!(total.into_inner(), 3 * 100 * 16);
    }

    #[test]
    fn a_panic_reaches_the_caller_and_the_team_survives() {
        let team = Team::new(2);
        let result = catch_unwind(AssertUnwindSafe(|| {
            team.parallel_for(8, |task| assert!(task != 5, "task five"));
        }));
        assert!(result.is_err());
        let total = AtomicUsize::new(0);
        team.parallel_for(8, |task| {
            total.fetch_add(task, Ordering::Relaxed);
        });
        assert_eq!(total.into_inner(), 28);
    }
}
