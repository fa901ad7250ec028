//! The state machine of a box, as two tables: how states follow each other, and what every operation means in each state.
//! Whatever changes a box checks them first; `docs/api.md` shows the same tables, which a test compares.

use boxlite_error::{BoxliteError, BoxliteResult, ErrorCode, named};

named! {
    /// The state of a box.
    #[derive(Default)]
    pub enum BoxState {
        /// Made, never started.
        #[default]
        Created = "created",
        /// The pipeline is at work.
        Starting = "starting",
        /// The machine runs.
        Running = "running",
        /// The machine is being ended.
        Stopping = "stopping",
        /// Ended, with its disk kept.
        Stopped = "stopped",
        /// The last start failed, or the machine ended on its own; starting again is allowed.
        Failed = "failed",
    }
}

impl BoxState {
    /// The states that may follow this one. A start that was killed leaves no trace of itself, so `Starting` may fall
    /// back to where it came from.
    pub(crate) const fn next(self) -> &'static [Self] {
        match self {
            Self::Created | Self::Stopped | Self::Failed => &[Self::Starting],
            Self::Starting => &[Self::Running, Self::Failed, Self::Created, Self::Stopped],
            Self::Running => &[Self::Stopping, Self::Stopped, Self::Failed],
            Self::Stopping => &[Self::Stopped, Self::Failed],
        }
    }

    /// Whether nothing is under way and no machine exists.
    pub(crate) const fn at_rest(self) -> bool {
        matches!(self, Self::Created | Self::Stopped | Self::Failed)
    }
}

/// What a caller can do with a box.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Operation {
    /// `start`, and whatever needs a machine: executions, files, copies.
    Start,
    /// `stop`, and the end of an attached box with its runtime.
    Stop,
    /// `remove`.
    Remove,
    /// `remove` with `force`.
    RemoveByForce,
    /// `wait`, and `executions`, which start nothing.
    Wait,
    /// `update` of name and labels.
    Update,
}

/// What an operation means in a state.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Rule {
    /// It is done.
    Act,
    /// There is nothing to do.
    Nothing,
    /// The transition under way is awaited, and then the rule of the new state holds.
    Await,
    /// `BOX_STATE`.
    Refuse,
}

impl Operation {
    #[cfg(test)]
    const ALL: [Self; 6] =
        [Self::Start, Self::Stop, Self::Remove, Self::RemoveByForce, Self::Wait, Self::Update];

    /// The name that users see.
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Start => "start",
            Self::Stop => "stop",
            Self::Remove => "remove",
            Self::RemoveByForce => "remove by force",
            Self::Wait => "wait",
            Self::Update => "update",
        }
    }

    /// What it means in `state`.
    pub(crate) const fn rule(self, state: BoxState) -> Rule {
        use BoxState::{Created, Failed, Running, Starting, Stopped, Stopping};
        match (self, state) {
            (Self::Remove, Starting | Running | Stopping) => Rule::Refuse,
            (Self::RemoveByForce, _) => Rule::Act,
            (_, Starting | Stopping) => Rule::Await,
            (Self::Start, Running) | (Self::Stop | Self::Wait, Created | Stopped | Failed) => Rule::Nothing,
            _ => Rule::Act,
        }
    }

    /// Refuses it if box `id` is in a `state` that does not allow it.
    ///
    /// # Errors
    /// `BOX_STATE`, which names the states that would do.
    pub(crate) fn check(self, id: &str, state: BoxState) -> BoxliteResult<()> {
        if self.rule(state) != Rule::Refuse {
            return Ok(());
        }
        let allowed: Vec<_> = BoxState::ALL
            .iter()
            .copied()
            .filter(|state| self.rule(*state) != Rule::Refuse)
            .map(BoxState::as_str)
            .collect();
        let message = format!(
            "{} box `{id}`: it is {state}, which must be one of {}",
            self.as_str(),
            allowed.join(", ")
        );
        Err(BoxliteError::new(ErrorCode::BoxState, message).hint("stop it first, or remove it with `force`"))
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn every_state_can_be_reached_and_left() {
        let mut reached = HashSet::from([BoxState::Created]);
        for _ in BoxState::ALL {
            reached.extend(reached.clone().iter().flat_map(|state| state.next()));
        }
        assert_eq!(reached.len(), BoxState::ALL.len());
        for &state in BoxState::ALL {
            assert!(!state.next().is_empty() && !state.next().contains(&state), "{state}");
        }
    }

    #[test]
    fn an_operation_is_awaited_only_while_something_is_under_way() {
        for operation in Operation::ALL {
            for &state in BoxState::ALL {
                if operation.rule(state) == Rule::Await {
                    assert!(matches!(state, BoxState::Starting | BoxState::Stopping));
                    // What comes of it has a rule that is no waiting.
                    assert!(state.next().iter().all(|next| operation.rule(*next) != Rule::Await));
                }
            }
        }
    }

    #[test]
    fn a_refusal_names_operation_state_and_what_would_do() {
        let error = Operation::Remove.check("b", BoxState::Running).unwrap_err();
        assert_eq!(error.code(), ErrorCode::BoxState);
        assert_eq!(
            error.to_string(),
            "remove box `b`: it is running, which must be one of created, stopped, failed"
        );
    }

    /// The documentation has the table too; here is where it is held to the code.
    #[test]
    fn the_documentation_shows_these_rules() {
        let docs = include_str!("../../../../docs/api.md");
        for operation in Operation::ALL {
            let cells = BoxState::ALL.iter().map(|state| match operation.rule(*state) {
                Rule::Act => "acts",
                Rule::Nothing => "–",
                Rule::Await => "waits",
                Rule::Refuse => "`BOX_STATE`",
            });
            let cells: Vec<_> = cells.collect();
            let row = format!("| {} | {} |", operation.as_str(), cells.join(" | "));
            assert!(docs.contains(&row), "docs/api.md lacks the line: {row}");
        }
        for &state in BoxState::ALL {
            let next: Vec<_> = state.next().iter().map(|next| next.as_str()).collect();
            let row = format!("| `{state}` | {} |", next.join(", "));
            assert!(docs.contains(&row), "docs/api.md lacks the line: {row}");
        }
    }
}
