//! What the guest does on its own: the main process, its restarts and its journal, health, limits and the shutdown.

mod bench;
mod health;
mod journal;
mod limits;
mod main_process;
