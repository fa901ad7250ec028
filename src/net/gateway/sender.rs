//! The way of a frame to the box from any task: a bounded queue that the gateway's loop empties onto the link.

use tokio::sync::mpsc;

/// Most frames that wait for the link.
const WAITING_MAX: usize = 1024;

/// Sends whole Ethernet frames to the box, at most 65 549 bytes each.
#[derive(Debug, Clone)]
pub struct FrameSender(mpsc::Sender<Vec<u8>>);

/// Where the frames come out. Read by the gateway's loop.
pub type FrameReceiver = mpsc::Receiver<Vec<u8>>;

impl FrameSender {
    /// Makes a queue.
    pub fn new() -> (Self, FrameReceiver) {
        let (sender, receiver) = mpsc::channel(WAITING_MAX);
        (Self(sender), receiver)
    }

    /// Sends a frame, and waits while the link is full. Returns whether the link is still there.
    pub async fn send(&self, frame: Vec<u8>) -> bool {
        self.0.send(frame).await.is_ok()
    }

    /// Sends a frame if there is room. Returns whether there was.
    pub fn try_send(&self, frame: Vec<u8>) -> bool {
        self.0.try_send(frame).is_ok()
    }
}
