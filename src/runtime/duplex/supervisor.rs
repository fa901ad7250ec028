//! What a guest tells of its box, through the real portal: an honest one's, and a liar's.

use std::{
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use boxlite_error::ErrorCode;
use boxlite_portal::{GuestEventKind, GuestEvents, Health, Limit};
use boxlite_proto::v1::{
    AmendRequest, AmendResponse, BoxEvent, HealthChanged, LimitReached, MainExited, MainProcess,
    MetricsRequest, MetricsResponse, OutOfMemory, Supervision, WatchRequest,
    box_event::Event,
    supervisor_server::{Supervisor as Service, SupervisorServer},
};
use futures::{Stream, StreamExt as _, stream};
use tokio_stream::Iter;
use tonic::{Request, Response, Status, transport::Server};

use crate::{
    duplex::{machine, real::supervised},
    litebox::lifecycle::machine::Machine,
};

async fn kinds(events: &mut GuestEvents) -> Vec<GuestEventKind> {
    let mut kinds = Vec::new();
    while let Some(event) = events.next().await.unwrap() {
        kinds.push(event.kind);
    }
    kinds
}

#[tokio::test]
async fn a_main_process_is_told_from_its_start_to_its_end() {
    let argv = ["/bin/sh", "-c", "sleep 0.3; exit 5"].map(str::to_owned).to_vec();
    let main = Some(MainProcess { argv, ..Default::default() });
    let machine = supervised(Supervision { main, ..Default::default() }).await;
    let supervisor = machine.session.supervisor();
    let mut events = supervisor.watch(None).await.unwrap();
    let metrics = supervisor.metrics().await.unwrap();
    assert!(metrics.memory_total > 0 && metrics.uptime_ns > 0);
    let told = kinds(&mut events).await;
    assert!(matches!(told[0], GuestEventKind::MainStarted { restarts: 0, .. }), "{told:?}");
    let [.., GuestEventKind::MainExited(exit)] = told[..] else { panic!("{told:?}") };
    assert_eq!((exit.code, exit.signal, exit.restarts), (Some(5), None, false));
}

type Told = Pin<Box<dyn Stream<Item = Result<BoxEvent, Status>> + Send>>;

/// Tells what it was given, or one thing for ever.
struct Liar(Vec<Event>, bool);

#[tonic::async_trait]
impl Service for Liar {
    type WatchStream = Told;

    async fn watch(&self, _: Request<WatchRequest>) -> Result<Response<Told>, Status> {
        let events: Iter<_> = tokio_stream::iter(self.0.clone());
        let told =
            events.map(|event| Ok(BoxEvent { time_unix_ns: u64::MAX, event: Some(event), sequence: 0 }));
        let more =
            stream::repeat_with(|| Ok(BoxEvent { event: Some(Event::Lost(1)), ..BoxEvent::default() }));
        Ok(Response::new(if self.1 { Box::pin(told.chain(more)) } else { Box::pin(told) }))
    }

    async fn amend(&self, _: Request<AmendRequest>) -> Result<Response<AmendResponse>, Status> {
        Err(Status::internal("no"))
    }

    async fn metrics(&self, _: Request<MetricsRequest>) -> Result<Response<MetricsResponse>, Status> {
        Err(Status::internal("\u{1b}[2Jno".repeat(1000)))
    }
}

fn lied(events: Vec<Event>, for_ever: bool) -> Arc<Machine> {
    served(Liar(events, for_ever))
}

fn served(service: impl Service) -> Arc<Machine> {
    let (host, guest) = tokio::io::duplex(64 * 1024);
    let server = Server::builder().add_service(SupervisorServer::new(service));
    let incoming = stream::once(async { Ok::<_, std::io::Error>(guest) }).chain(stream::pending());
    tokio::spawn(server.serve_with_incoming(incoming));
    machine(host)
}

#[tokio::test]
async fn lies_are_bounded_and_what_means_nothing_is_passed_over() {
    let machine = lied(
        vec![
            Event::Health(HealthChanged { health: 99, ..Default::default() }),
            Event::Limit(LimitReached { limit: -1 }),
            Event::Oom(OutOfMemory { execution_id: "../../etc".into() }),
            Event::MainExited(MainExited { exit_code: 4096, signal: u32::MAX, oom: true, restarts: true }),
            Event::Health(HealthChanged {
                health: 2,
                output: "\u{1b}[31mred\n".to_owned() + &"x".repeat(20_000),
                failures: u32::MAX,
            }),
            Event::Limit(LimitReached { limit: 1 }),
        ],
        false,
    );
    let supervisor = machine.session.supervisor();
    let told = kinds(&mut supervisor.watch(None).await.unwrap()).await;
    assert_eq!(told.len(), 4, "{told:?}");
    assert_eq!(told[0], GuestEventKind::OutOfMemory { execution_id: None });
    let GuestEventKind::MainExited(exit) = &told[1] else { panic!("{told:?}") };
    assert_eq!((exit.code, exit.signal), (None, Some(64)));
    let GuestEventKind::Health(change) = &told[2] else { panic!("{told:?}") };
    assert_eq!((change.health, change.output.len()), (Health::Unhealthy, 4096));
    assert!(change.output.starts_with("[31mred\nx"));
    assert_eq!(told[3], GuestEventKind::Limit(Limit::IdleTimeout));
    let error = supervisor.metrics().await.unwrap_err();
    assert_eq!(error.code(), ErrorCode::Rpc);
    assert!(error.to_string().len() < 2000 && !error.to_string().contains('\u{1b}'));
}

#[tokio::test]
async fn an_event_beyond_all_bounds_is_an_error() {
    let output = "x".repeat(200_000);
    let machine = lied(vec![Event::Health(HealthChanged { health: 1, output, failures: 0 })], false);
    let mut events = machine.session.supervisor().watch(None).await.unwrap();
    assert_eq!(events.next().await.unwrap_err().code(), ErrorCode::Rpc);
}

#[tokio::test]
async fn events_without_end_come_only_as_fast_as_they_are_taken() {
    let machine = lied(vec![], true);
    let mut events = machine.session.supervisor().watch(None).await.unwrap();
    for _ in 0..5000 {
        assert_eq!(events.next().await.unwrap().map(|event| event.kind), Some(GuestEventKind::Lost(1)));
    }
}

/// Breaks off the first time.
struct Fickle(AtomicBool);

#[tonic::async_trait]
impl Service for Fickle {
    type WatchStream = Told;

    async fn watch(&self, request: Request<WatchRequest>) -> Result<Response<Told>, Status> {
        let health = |health, sequence| {
            let event = Event::Health(HealthChanged { health, ..Default::default() });
            Ok(BoxEvent { event: Some(event), sequence, ..BoxEvent::default() })
        };
        let after = request.into_inner().after;
        if !self.0.swap(true, Ordering::Relaxed) {
            assert_eq!(after, None);
            return Ok(Response::new(Box::pin(stream::iter([
                health(1, 7),
                Err(Status::unavailable("torn")),
            ]))));
        }
        let next =
            if after == Some(7) { health(2, 8) } else { Err(Status::out_of_range("not where it was")) };
        Ok(Response::new(Box::pin(stream::iter([next]).chain(stream::pending()))))
    }

    async fn amend(&self, _: Request<AmendRequest>) -> Result<Response<AmendResponse>, Status> {
        Err(Status::internal("no"))
    }

    async fn metrics(&self, _: Request<MetricsRequest>) -> Result<Response<MetricsResponse>, Status> {
        Err(Status::unimplemented("none"))
    }
}

#[tokio::test]
async fn events_that_break_off_are_asked_for_again() {
    let machine = served(Fickle(AtomicBool::new(false)));
    let (gone, kept) = tokio::sync::oneshot::channel::<()>();
    let runtime = tokio::runtime::Handle::current();
    machine.watcher.watch(&runtime, machine.session.supervisor(), async move {
        let _ = kept.await;
    });
    let unhealthy = || machine.watcher.health().is_some_and(|change| change.health == Health::Unhealthy);
    tokio::time::timeout(Duration::from_secs(20), async {
        while !unhealthy() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    })
    .await
    .expect("heard of again");
    drop(gone);
    tokio::time::timeout(Duration::from_secs(20), async {
        while machine.watcher.is_watched() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    })
    .await
    .expect("no longer watched");
}
