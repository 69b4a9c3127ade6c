//! Being asked to stop: by Ctrl-C, or as container engines and init systems do.

use tokio::signal;

/// Waits until it is time to stop.
pub(crate) async fn asked() {
    tokio::select! {
        _ = signal::ctrl_c() => {}
        () = terminated() => {}
    }
}

#[cfg(unix)]
async fn terminated() {
    use std::future;
    use tokio::signal::unix::{SignalKind, signal};

    match signal(SignalKind::terminate()) {
        Ok(mut terminate) => drop(terminate.recv().await),
        Err(_) => future::pending().await, // Then SIGTERM ends the process, as it always did.
    }
}

#[cfg(not(unix))]
async fn terminated() {
    std::future::pending().await
}
