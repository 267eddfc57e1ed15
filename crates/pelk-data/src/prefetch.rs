//! Items made in advance by background threads and delivered in order.

use std::any::Any;
use std::ops::Range;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, sync_channel};
use std::thread::{self, JoinHandle};

use crate::DataError;

/// Runs `make` for every number of a range on worker threads and yields the results in order.
///
/// Worker `k` of `n` makes the items `k, k + n, k + 2 n...` and puts them into its own queue of fixed length;
/// the consumer takes from the queues in turn. So order and content do not depend on `n`, nothing needs
/// sorting, and memory is bounded. The first error or panic is the last item. Dropping the iterator closes
/// the queues; each worker then stops after its current item, and dropping waits for that.
#[derive(Debug)]
pub(crate) struct Prefetch<T> {
    workers: Vec<Worker<T>>,
    next: usize,
    rest: Range<usize>,
}

#[derive(Debug)]
struct Worker<T> {
    queue: Receiver<Result<T, DataError>>,
    thread: JoinHandle<()>,
}

impl<T: Send + 'static> Prefetch<T> {
    /// `depth` is the number of finished items that each of the `workers` may have waiting, both at least 1.
    pub(crate) fn new(
        range: Range<usize>,
        workers: usize,
        depth: usize,
        make: impl Fn(usize) -> Result<T, DataError> + Send + Sync + 'static,
    ) -> Result<Self, DataError> {
        for (field, value) in [("workers", workers), ("prefetch", depth)] {
            if value == 0 {
                return Err(DataError::config(field, value, "at least 1"));
            }
        }
        let make = Arc::new(make);
        // No more threads or queue slots than items.
        let workers = workers.min(range.len());
        let mut prefetch = Self { workers: Vec::with_capacity(workers), next: 0, rest: range.clone() };
        for k in 0..workers {
            let (sender, queue) = sync_channel(depth.min(range.len()));
            let (make, items) = (Arc::clone(&make), range.clone().skip(k).step_by(workers));
            let work = move || {
                for item in items {
                    let made = make(item);
                    let failed = made.is_err();
                    // The send fails if the consumer is gone.
                    if sender.send(made).is_err() || failed {
                        return;
                    }
                }
            };
            let thread = thread::Builder::new().name(format!("loader {k}")).spawn(work);
            let thread = thread.map_err(|source| DataError::Spawn { source })?;
            prefetch.workers.push(Worker { queue, thread });
        }
        Ok(prefetch)
    }
}

impl<T> Prefetch<T> {
    /// Stops all workers and returns the panic of worker `index`, if any.
    fn stop(&mut self, index: usize) -> Option<Box<dyn Any + Send>> {
        // All queues close before the first join, so that all threads stop at the same time.
        let (queues, threads): (Vec<_>, Vec<_>) =
            self.workers.drain(..).map(|worker| (worker.queue, worker.thread)).unzip();
        drop(queues);
        let ends: Vec<_> = threads.into_iter().map(JoinHandle::join).collect();
        ends.into_iter().nth(index).and_then(Result::err)
    }

    fn fail(&mut self, error: DataError) -> Option<Result<T, DataError>> {
        self.rest = 0..0;
        Some(Err(error))
    }
}

impl<T> Iterator for Prefetch<T> {
    type Item = Result<T, DataError>;

    fn next(&mut self) -> Option<Self::Item> {
        let item = self.rest.next()?;
        match self.workers[self.next].queue.recv() {
            Ok(Ok(made)) => {
                self.next = (self.next + 1) % self.workers.len();
                Some(Ok(made))
            }
            Ok(Err(error)) => self.fail(error),
            // Only a panic stops a worker before its last item.
            Err(_) => {
                let panic = self.stop(self.next);
                self.fail(DataError::WorkerPanic { batch: item, message: message(panic.as_deref()) })
            }
        }
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        self.rest.size_hint()
    }
}

impl<T> ExactSizeIterator for Prefetch<T> {}

impl<T> Drop for Prefetch<T> {
    fn drop(&mut self) {
        self.stop(0);
    }
}

/// The text of a panic, if it was raised with one.
fn message(panic: Option<&(dyn Any + Send)>) -> String {
    let text = panic.and_then(|panic| {
        panic.downcast_ref::<&str>().map(|text| (*text).to_owned()).or_else(|| panic.downcast_ref().cloned())
    });
    text.unwrap_or_else(|| "no message".to_owned())
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::time::Duration;

    use super::*;

    #[test]
    fn the_order_is_the_ranges_for_any_number_of_workers() {
        for workers in 1..=5 {
            for depth in [1, 3] {
                let make = |item: usize| {
                    thread::sleep(Duration::from_micros((item * 7919 % 13 * 20) as u64));
                    Ok(item)
                };
                let mut prefetch = Prefetch::new(3..40, workers, depth, make).unwrap();
                assert_eq!(prefetch.len(), 37);
                let items: Vec<usize> = prefetch.by_ref().map(Result::unwrap).collect();
                assert_eq!(items, (3..40).collect::<Vec<_>>());
                assert!(prefetch.next().is_none() && prefetch.len() == 0);
            }
        }
        assert!(Prefetch::new(7..7, 2, 1, Ok).unwrap().next().is_none());
    }

    #[test]
    fn no_more_is_made_than_the_queues_hold() {
        let made = Arc::new(AtomicUsize::new(0));
        let counter = Arc::clone(&made);
        let mut prefetch =
            Prefetch::new(0..1000, 2, 3, move |_| Ok(counter.fetch_add(1, Ordering::Relaxed))).unwrap();
        for _ in 0..10 {
            prefetch.next().unwrap().unwrap();
        }
        thread::sleep(Duration::from_millis(30));
        // 10 taken, 3 waiting and 1 in hand for each of the 2 workers.
        assert!(made.load(Ordering::Relaxed) <= 10 + 2 * (3 + 1));
    }

    #[test]
    fn an_early_drop_ends_the_workers() {
        for taken in [0, 1, 5] {
            let alive = Arc::new(());
            let held = Arc::clone(&alive);
            let make = move |item: usize| {
                let _ = &held;
                Ok(vec![item; 1000])
            };
            let mut prefetch = Prefetch::new(0..usize::MAX, 3, 2, make).unwrap();
            for _ in 0..taken {
                prefetch.next().unwrap().unwrap();
            }
            drop(prefetch);
            assert_eq!(Arc::strong_count(&alive), 1, "every thread has dropped its share");
        }
    }

    #[test]
    fn an_error_comes_in_its_place_and_is_the_last() {
        let make =
            |item: usize| if item == 5 { Err(DataError::config("item", item, "not 5")) } else { Ok(item) };
        let mut prefetch = Prefetch::new(0..100, 3, 2, make).unwrap();
        assert_eq!(prefetch.by_ref().take(5).map(Result::unwrap).collect::<Vec<_>>(), [0, 1, 2, 3, 4]);
        assert!(prefetch.next().unwrap().unwrap_err().to_string().contains("not 5"));
        assert!(prefetch.next().is_none() && prefetch.len() == 0);
    }

    #[test]
    fn a_panic_comes_in_its_place_with_its_message() {
        for formatted in [false, true] {
            let make = move |item: usize| match (item, formatted) {
                (4, false) => panic!("plain"),
                (4, true) => panic!("item {item}"),
                _ => Ok(item),
            };
            let items: Vec<_> = Prefetch::new(0..100, 3, 2, make).unwrap().collect();
            assert_eq!(items.len(), 5);
            let text = items[4].as_ref().unwrap_err().to_string();
            let expected = if formatted { "item 4" } else { "plain" };
            assert_eq!(text, format!("the loader's worker for batch 4 panicked: {expected}"));
        }
    }

    #[test]
    fn no_workers_or_no_queue_is_an_error() {
        let text = |workers, depth| Prefetch::new(0..3, workers, depth, Ok).unwrap_err().to_string();
        assert_eq!(text(0, 1), "workers is 0, but must be at least 1");
        assert_eq!(text(1, 0), "prefetch is 0, but must be at least 1");
    }
}
