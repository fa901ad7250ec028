//! How servers are asked: failing over, over TCP, without EDNS, and what is not taken for an answer.

use std::{
    collections::HashSet,
    net::SocketAddr,
    sync::atomic::{AtomicBool, Ordering::Relaxed},
    time::{Duration, Instant},
};

use boxlite_spec::network::NetworkSpec;
use hickory_proto::{
    op::{Message, ResponseCode},
    rr::RecordType,
};
use tokio::net::UdpSocket;

use super::rig::{Rig, Upstream, add_address, addresses, spec};
use crate::{backend::Reports, dns::Server, policy::Egress};

fn open() -> NetworkSpec {
    spec(None, &[])
}

#[tokio::test]
async fn network_pitfalls_upstream_choice_every_server_is_tried_and_the_one_that_failed_is_asked_last() {
    let silent = Upstream::start(|message, _| add_address(message, "93.184.216.1")).await;
    let failing = Upstream::start(|message, _| message.metadata.response_code = ResponseCode::ServFail).await;
    let good = Upstream::start(|message, _| add_address(message, "93.184.216.3")).await;
    silent.is_silent.store(true, Relaxed);
    let rig = Rig::new(None, &[], &[&silent, &failing, &good]);
    let began = Instant::now();
    assert_eq!(addresses(&rig.ask("a.test.", RecordType::A).await), ["93.184.216.3"]);
    assert!(began.elapsed() >= Duration::from_secs(2), "the first server was given {:?}", began.elapsed());
    let began = Instant::now();
    assert_eq!(addresses(&rig.ask("b.test.", RecordType::A).await), ["93.184.216.3"]);
    assert!(began.elapsed() < Duration::from_secs(2), "the silent one was asked first again");
    assert_eq!(silent.names(), ["a.test."]);
}

#[tokio::test]
async fn network_pitfalls_upstream_choice_a_server_that_is_away_costs_nothing_and_all_away_is_servfail() {
    let gone = Upstream::start(|_, _| {}).await.address;
    let good = Upstream::start(|message, _| add_address(message, "93.184.216.3")).await;
    let spec = open();
    let asking = |servers: Vec<SocketAddr>| {
        let mut rig = Rig::with(&spec, &[]);
        rig.server = Server::asking(&spec, Egress::new(&spec), Reports::default(), servers);
        rig
    };
    let began = Instant::now();
    let rig = asking(vec![gone, good.address]);
    assert_eq!(addresses(&rig.ask("a.test.", RecordType::A).await), ["93.184.216.3"]);
    for servers in [vec![gone, gone], vec![]] {
        let answer = asking(servers).ask("a.test.", RecordType::A).await;
        assert_eq!(answer.metadata.response_code, ResponseCode::ServFail);
    }
    assert!(began.elapsed() < Duration::from_secs(2), "it took {:?}", began.elapsed());
}

#[tokio::test]
async fn a_lost_datagram_is_sent_again_and_the_whole_is_bounded() {
    let lossy = Upstream::start(|message, _| add_address(message, "93.184.216.1")).await;
    lossy.is_silent.store(true, Relaxed);
    let rig = Rig::new(None, &[], &[&lossy]);
    let hears_again = async {
        tokio::time::sleep(Duration::from_secs(1)).await;
        lossy.is_silent.store(false, Relaxed);
    };
    let (answer, ()) = tokio::join!(rig.ask("a.test.", RecordType::A), hears_again);
    assert_eq!(addresses(&answer), ["93.184.216.1"]);
    lossy.is_silent.store(true, Relaxed);
    let began = Instant::now();
    let answer = rig.ask("b.test.", RecordType::A).await;
    assert_eq!(answer.metadata.response_code, ResponseCode::ServFail);
    assert!((4..7).contains(&began.elapsed().as_secs()), "it took {:?}", began.elapsed());
}

#[tokio::test]
async fn a_server_without_edns_is_asked_without() {
    let is_first = AtomicBool::new(true);
    let older = Upstream::start(move |message, _| {
        if is_first.swap(false, Relaxed) {
            message.metadata.response_code = ResponseCode::FormErr;
        } else {
            add_address(message, "93.184.216.1");
        }
    })
    .await;
    let rig = Rig::new(None, &[], &[&older]);
    assert_eq!(addresses(&rig.ask("a.test.", RecordType::A).await), ["93.184.216.1"]);
    let asked = older.seen.lock().unwrap();
    assert_eq!(asked.iter().map(|query| query.edns.is_some()).collect::<Vec<_>>(), [true, false]);
}

#[tokio::test]
async fn only_the_answer_to_the_question_is_taken() {
    let server = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let spec = open();
    let mut rig = Rig::with(&spec, &[]);
    let servers = vec![server.local_addr().unwrap()];
    rig.server = Server::asking(&spec, Egress::new(&spec), Reports::default(), servers);
    let forging = async {
        let mut buffer = [0; 512];
        let (length, from) = server.recv_from(&mut buffer).await.unwrap();
        let query = Message::from_vec(&buffer[..length]).unwrap();
        let answer = |id, name: &str, address| {
            let mut message = Message::response(id, query.metadata.op_code);
            let mut asked = query.queries[0].clone();
            asked.set_name(name.parse().unwrap());
            message.add_query(asked);
            add_address(&mut message, address);
            message.to_vec().unwrap()
        };
        let id = query.metadata.id;
        for forged in [
            answer(id.wrapping_add(1), "a.test.", "93.184.216.66"),
            answer(id, "b.test.", "93.184.216.66"),
            b"x".to_vec(),
            buffer[..length].to_vec(),
            answer(id, "a.test.", "93.184.216.1"),
        ] {
            server.send_to(&forged, from).await.unwrap();
        }
    };
    let (answer, ()) = tokio::join!(rig.ask("a.test.", RecordType::A), forging);
    assert_eq!(addresses(&answer), ["93.184.216.1"]);
}

#[tokio::test]
async fn what_leaves_is_the_question_and_nothing_more_from_a_port_and_with_an_id_that_vary() {
    let server = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let spec = open();
    let mut rig = Rig::with(&spec, &[]);
    let servers = vec![server.local_addr().unwrap()];
    rig.server = Server::asking(&spec, Egress::new(&spec), Reports::default(), servers);
    let (mut ids, mut ports) = (HashSet::new(), HashSet::new());
    for _ in 0..20 {
        let answering = async {
            let mut buffer = [0; 512];
            let (length, from) = server.recv_from(&mut buffer).await.unwrap();
            let query = Message::from_vec(&buffer[..length]).unwrap();
            let mut answer = Message::response(query.metadata.id, query.metadata.op_code);
            answer.add_queries(query.queries.clone());
            server.send_to(&answer.to_vec().unwrap(), from).await.unwrap();
            (query, from.port())
        };
        let (_, (query, port)) = tokio::join!(rig.ask("a.test.", RecordType::A), answering);
        assert!(query.metadata.recursion_desired && query.answers.is_empty() && query.additionals.is_empty());
        assert_eq!(query.edns.unwrap().options().as_ref().len(), 0);
        ids.insert(query.metadata.id);
        ports.insert(port);
    }
    assert!(ids.len() > 10 && ports.len() > 10, "{ids:?} {ports:?}");
}
