//! The native half of `@boxlite/node`: `lib/native.ts` loads it, and it calls `boxlite-runtime`.
//!
//! Translation only. Each file holds one noun of the public API and turns its JavaScript values into the runtime's types
//! and back; options are checked in `lib/options.ts` and by the runtime, streams, abort and disposal belong to `lib/`.
//!
//! Every asynchronous method resolves with an `Outcome`, never rejects: Node-API promises of a foreign thread
//! can't reject with an error class of ours, so errors cross as values and `lib/binding.ts` throws them.

// The attribute macros of napi-derive write the `extern "C"` functions that Node calls.
#![allow(unsafe_code, reason = "napi-derive generates the foreign function interface")]
#![allow(unreachable_pub, reason = "napi-derive requires pub items")]
#![cfg_attr(test, allow(dead_code, reason = "napi-derive registers nothing in a test"))]
#![allow(clippy::needless_pass_by_value, reason = "napi-derive hands arguments over by value")]

mod answer;
mod archive_writer;
mod box_end;
mod collected;
mod command;
mod connection;
mod dial;
mod directory;
mod doctor;
mod environment;
mod error;
mod event;
mod execution;
mod file_copy;
mod file_options;
mod file_path;
mod file_reader;
mod file_stat;
mod file_watcher;
mod file_writer;
mod files;
mod image_cache;
mod image_pull;
mod litebox;
mod logs;
mod metrics_sampler;
mod open_file;
mod options;
mod outcome;
mod plain;
mod pool;
mod port_wait;
mod runtime;
mod start;
mod words;
