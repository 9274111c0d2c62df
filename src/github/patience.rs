//! A call that waits for its pace must not keep a place that somebody else could use: whoever makes calls says here how it
//! leaves its own.
//!
//! Known limit: it holds for the task that makes the calls, not for one that is spawned by it.

use std::sync::Arc;

/// Leaves the place, if it may; false where so many wait aside already that the call is to come again later.
pub type Aside = Arc<dyn Fn() -> bool + Send + Sync>;

tokio::task_local! {
    static ASIDE: Aside;
}

/// Calls in this work leave their place by `aside` before they wait for their pace.
pub async fn stepping_aside<T>(aside: Aside, work: impl Future<Output = T>) -> T {
    ASIDE.scope(aside, work).await
}

/// Whether this call may wait. Who has no place keeps none.
pub(super) fn steps_aside() -> bool {
    ASIDE.try_with(|aside| aside()).unwrap_or(true)
}
