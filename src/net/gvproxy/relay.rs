//! `Relay`: passes frames between the machine and the program, in one task. What comes from the box goes through the packet filter. The
//! machine's link stays whatever becomes of the program: engines do not connect again. Driven by `serve`.

use std::{
    future::poll_fn,
    sync::Arc,
    task::{Context, Poll},
    time::Instant,
};

use crate::{
    gateway::{
        link::{Link, LinkEnd},
        outgoing::Outgoing,
    },
    metrics::Counters,
    packet_filter::{Filtered, PacketFilter},
};

/// The rule of what is refused while there is no program.
pub(super) const CLOSED: &str = "backend";
/// How often one side is read before the other one has its turn.
const READS: usize = 4;

/// Which side has ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Ended {
    Machine,
    Program,
}

/// The two links and what waits for each.
#[derive(Debug)]
pub(super) struct Relay {
    machine: Link,
    to_machine: Outgoing,
    program: Option<Link>,
    to_program: Outgoing,
    filter: PacketFilter,
}

impl Relay {
    /// A relay without a program.
    pub(super) fn new(machine: Link, filter: PacketFilter, counters: &Arc<Counters>) -> Self {
        let mut relay = Self {
            machine,
            to_machine: Outgoing::new(Arc::clone(counters)),
            program: None,
            // What leaves the box is counted by the filter.
            to_program: Outgoing::new(Arc::default()),
            filter,
        };
        relay.set_program(None);
        relay
    }

    /// Sets the program's link. Without one, the box is told at once that nothing can be reached.
    pub(super) fn set_program(&mut self, program: Option<Link>) {
        self.filter.close(if program.is_some() { None } else { Some(CLOSED) });
        self.program = program;
        // What waits was meant for the last one.
        self.to_program = Outgoing::new(Arc::default());
    }

    /// Passes frames until a side has ended.
    pub(super) async fn run(&mut self) -> Ended {
        poll_fn(|context| self.turn(context)).await
    }

    fn turn(&mut self, context: &mut Context<'_>) -> Poll<Ended> {
        let now = Instant::now();
        loop {
            let Ok(from_machine) = self.read_machine(context, now) else {
                return Poll::Ready(Ended::Machine);
            };
            let Ok(from_program) = self.read_program(context, now) else {
                return Poll::Ready(Ended::Program);
            };
            let mut moved = false;
            if let Some(program) = &mut self.program
                && let Poll::Ready(flushed) = program.poll_flush(context, &mut self.to_program, now)
            {
                let Ok(some) = flushed else { return Poll::Ready(Ended::Program) };
                moved |= some;
            }
            if let Poll::Ready(flushed) = self.machine.poll_flush(context, &mut self.to_machine, now) {
                let Ok(some) = flushed else { return Poll::Ready(Ended::Machine) };
                moved |= some;
            }
            if from_machine || from_program {
                // Others on this thread have their turn.
                context.waker().wake_by_ref();
                return Poll::Pending;
            }
            // A side that was not read for want of room is read now that there is some.
            if !moved {
                return Poll::Pending;
            }
        }
    }

    /// Reads frames of the box. Returns whether there may be more. Nothing is read without room for what it becomes.
    fn read_machine(&mut self, context: &mut Context<'_>, now: Instant) -> Result<bool, LinkEnd> {
        for _ in 0..READS {
            loop {
                if !self.to_machine.has_reserve() || !self.to_program.has_room() {
                    return Ok(false);
                }
                let Some(frame) = self.machine.next_frame()? else { break };
                let filtered = self.filter.judge(frame, &mut self.to_machine, &mut self.to_program);
                if filtered == Filtered::Passed
                    && self.program.is_some()
                    && let Some(room) = self.to_program.push(frame.len())
                {
                    room.copy_from_slice(frame);
                }
            }
            match self.machine.poll_fill(context, now) {
                Poll::Ready(more) => _ = more?,
                Poll::Pending => return Ok(false),
            }
        }
        Ok(true)
    }

    /// Reads frames to the box, likewise.
    fn read_program(&mut self, context: &mut Context<'_>, now: Instant) -> Result<bool, LinkEnd> {
        let Some(program) = &mut self.program else { return Ok(false) };
        for _ in 0..READS {
            loop {
                if !self.to_machine.has_room() {
                    return Ok(false);
                }
                let Some(frame) = program.next_frame()? else { break };
                self.filter.note(frame);
                if let Some(room) = self.to_machine.push(frame.len()) {
                    room.copy_from_slice(frame);
                }
            }
            match program.poll_fill(context, now) {
                Poll::Ready(more) => _ = more?,
                Poll::Pending => return Ok(false),
            }
        }
        Ok(true)
    }
}
