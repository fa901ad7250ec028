//! What the box is answered: by the policy, from the gateway itself, and of what servers say.

use hickory_proto::{
    op::{Edns, Message, MessageType, OpCode, Query, ResponseCode},
    rr::{
        Name, RData, Record, RecordType,
        rdata::{
            A, HTTPS, MX, PTR, SVCB, TXT,
            svcb::{Alpn, EchConfigList, IpHint, SvcParamKey, SvcParamValue},
        },
    },
};

use super::rig::{Rig, Upstream, add_address, add_alias, addresses, spec};
use crate::{gateway::names::NameServer, sample::link};

fn codes(answer: &Message) -> (ResponseCode, usize) {
    (answer.metadata.response_code, answer.answers.len())
}

#[tokio::test]
async fn network_pitfalls_dns_as_a_leak_what_is_refused_is_nxdomain_and_does_not_leave() {
    let upstream = Upstream::start(|message, _| add_address(message, "93.184.216.1")).await;
    let rig = Rig::new(Some(&["a.test:443"]), &[], &[&upstream]);
    let refused = rig.ask("secret-data.evil.test.", RecordType::TXT).await;
    assert_eq!(codes(&refused), (ResponseCode::NXDomain, 0));
    let refusal = rig.refusal();
    assert_eq!((refusal.name.as_deref(), refusal.rule.as_str()), (Some("secret-data.evil.test"), "default"));
    assert_eq!((refusal.address, refusal.port, refusal.count), (None, 0, 1));
    assert_eq!(addresses(&rig.ask("A.Test.", RecordType::A).await), ["93.184.216.1"]);
    assert_eq!(upstream.names(), ["A.Test."]);
    let counters = rig.reports.counters.read();
    assert_eq!((counters.dns_queries, counters.refusals), (2, 1));
}

#[tokio::test]
async fn network_pitfalls_dns_as_a_leak_only_aaaa_missing_is_nodata() {
    let upstream = Upstream::start(|message, _| add_address(message, "2606:4700::1")).await;
    let rig = Rig::new(None, &["b.test"], &[&upstream]);
    assert_eq!(codes(&rig.ask("a.test.", RecordType::AAAA).await), (ResponseCode::NoError, 0));
    assert_eq!(codes(&rig.ask("b.test.", RecordType::AAAA).await), (ResponseCode::NXDomain, 0));
    assert_eq!(upstream.names(), [""; 0]);
    assert_eq!(rig.refusal().rule, "b.test");
}

#[tokio::test]
async fn network_pitfalls_rebinding_addresses_that_the_policy_refuses_are_removed() {
    let upstream = Upstream::start(|message, _| {
        let inside = ["10.0.0.1", "127.0.0.1", "169.254.169.254", "192.168.127.254"];
        for address in inside {
            add_address(message, address);
        }
        if message.queries[0].name().to_ascii() == "mixed.test." {
            add_address(message, "93.184.216.1");
        }
    })
    .await;
    let rig = Rig::new(None, &[], &[&upstream]);
    assert_eq!(codes(&rig.ask("rebinding.test.", RecordType::A).await), (ResponseCode::NXDomain, 0));
    let refusal = rig.refusal();
    assert_eq!(
        (refusal.address, refusal.name.as_deref()),
        (Some([10, 0, 0, 1].into()), Some("rebinding.test"))
    );
    assert_eq!(addresses(&rig.ask("mixed.test.", RecordType::A).await), ["93.184.216.1"]);
    let open = Rig::new(Some(&["public", "private"]), &[], &[&upstream]);
    assert_eq!(addresses(&open.ask("rebinding.test.", RecordType::A).await), ["10.0.0.1"]);
}

#[tokio::test]
async fn network_pitfalls_allow_list_by_name_only_answers_to_the_question_open_addresses() {
    let upstream = Upstream::start(|message, _| {
        add_alias(message, "cdn.example.", [93, 184, 216, 1]);
        let (other, name) = (Name::from_ascii("other.test.").unwrap(), message.queries[0].name().clone());
        message.add_answer(Record::from_rdata(other.clone(), 30, RData::A(A([93, 184, 216, 2].into()))));
        message.add_additional(Record::from_rdata(name, 30, RData::A(A([93, 184, 216, 3].into()))));
        message.add_authority(Record::from_rdata(other, 30, RData::A(A([93, 184, 216, 4].into()))));
    })
    .await;
    let rig = Rig::new(Some(&["a.test:443"]), &[], &[&upstream]);
    assert!(!rig.may_connect("93.184.216.1"));
    let answer = rig.ask("a.test.", RecordType::A).await;
    assert_eq!((addresses(&answer), answer.answers.len()), (vec!["93.184.216.1".to_owned()], 2));
    assert!(answer.additionals.is_empty() && answer.authorities.is_empty());
    assert!(rig.may_connect("93.184.216.1"));
    for closed in ["93.184.216.2", "93.184.216.3", "93.184.216.4"] {
        assert!(!rig.may_connect(closed), "{closed}");
    }
    // The name is of this box: another one has asked nothing.
    assert!(!Rig::new(Some(&["a.test:443"]), &[], &[&upstream]).may_connect("93.184.216.1"));
}

#[tokio::test]
async fn network_pitfalls_allow_list_by_name_an_alias_to_a_refused_name_is_refused() {
    let upstream =
        Upstream::start(|message, _| add_alias(message, "x.tracker.test.", [93, 184, 216, 1])).await;
    let rig = Rig::new(None, &["*.tracker.test"], &[&upstream]);
    assert_eq!(codes(&rig.ask("innocent.test.", RecordType::A).await), (ResponseCode::NXDomain, 0));
    assert_eq!(rig.refusal().rule, "*.tracker.test");
}

#[tokio::test]
async fn hints_of_services_open_nothing_and_other_records_pass() {
    let upstream = Upstream::start(|message, _| {
        let name = message.queries[0].name().clone();
        let data = match message.queries[0].query_type() {
            RecordType::HTTPS => RData::HTTPS(HTTPS(SVCB::new(
                1,
                Name::root(),
                vec![
                    (SvcParamKey::Alpn, SvcParamValue::Alpn(Alpn(vec!["h2".into()]))),
                    (
                        SvcParamKey::Ipv4Hint,
                        SvcParamValue::Ipv4Hint(IpHint(vec![A([93, 184, 216, 9].into())])),
                    ),
                    (SvcParamKey::EchConfigList, SvcParamValue::EchConfigList(EchConfigList(vec![0, 1, 2]))),
                ],
            ))),
            RecordType::MX => RData::MX(MX::new(10, Name::from_ascii("mail.test.").unwrap())),
            _ => RData::TXT(TXT::new(vec!["text".into()])),
        };
        message.add_answer(Record::from_rdata(name, 30, data));
    })
    .await;
    let rig = Rig::new(Some(&["a.test"]), &[], &[&upstream]);
    let answer = rig.ask("a.test.", RecordType::HTTPS).await;
    let RData::HTTPS(HTTPS(service)) = &answer.answers[0].data else { panic!("{answer:?}") };
    assert_eq!(service.svc_params.iter().map(|(key, _)| *key).collect::<Vec<_>>(), [SvcParamKey::Alpn]);
    assert!(!rig.may_connect("93.184.216.9"));
    for record_type in [RecordType::MX, RecordType::TXT] {
        assert_eq!(rig.ask("a.test.", record_type).await.answers[0].record_type(), record_type);
    }
}

#[tokio::test]
async fn network_pitfalls_name_of_the_host_and_hosts_are_answered_without_leaving() {
    let upstream = Upstream::start(|_, _| {}).await;
    let rig = Rig::new(Some(&[]), &[], &[&upstream]);
    for (name, address) in [
        ("host.boxlite.internal.", "192.168.127.254"),
        ("db.TEST.", "10.9.9.9"),
        ("localhost.", "127.0.0.1"),
        ("x.localhost.", "127.0.0.1"),
    ] {
        assert_eq!(addresses(&rig.ask(name, RecordType::A).await), [address], "{name}");
        assert_eq!(codes(&rig.ask(name, RecordType::AAAA).await), (ResponseCode::NoError, 0), "{name}");
    }
    let pointer = rig.ask("9.9.9.10.in-addr.arpa.", RecordType::PTR).await;
    assert_eq!(pointer.answers[0].data, RData::PTR(PTR(Name::from_ascii("db.test.").unwrap())));
    assert_eq!(upstream.names(), [""; 0]);
    // Knowing the address does not open it.
    assert!(!rig.may_connect("192.168.127.254") && !rig.may_connect("10.9.9.9"));
}

#[tokio::test]
async fn the_name_of_an_address_is_asked_for_if_the_address_may_be_reached() {
    let upstream = Upstream::start(|message, _| {
        if message.queries[0].query_type() == RecordType::A {
            return add_address(message, "93.184.216.1");
        }
        let name = message.queries[0].name().clone();
        let pointer = RData::PTR(PTR(Name::from_ascii("a.test.").unwrap()));
        message.add_answer(Record::from_rdata(name, 30, pointer));
    })
    .await;
    let rig = Rig::new(Some(&["a.test"]), &[], &[&upstream]);
    assert_eq!(
        codes(&rig.ask("1.216.184.93.in-addr.arpa.", RecordType::PTR).await),
        (ResponseCode::NXDomain, 0)
    );
    rig.ask("a.test.", RecordType::A).await;
    assert_eq!(
        codes(&rig.ask("1.216.184.93.in-addr.arpa.", RecordType::PTR).await),
        (ResponseCode::NoError, 1)
    );
    let open = Rig::new(None, &[], &[&upstream]);
    assert_eq!(
        codes(&open.ask("1.0.0.10.in-addr.arpa.", RecordType::PTR).await),
        (ResponseCode::NXDomain, 0)
    );
    assert_eq!(upstream.names(), ["a.test.", "1.216.184.93.in-addr.arpa."]);
}

#[tokio::test]
async fn network_pitfalls_metadata_private_names_do_not_leave() {
    let upstream = Upstream::start(|message, _| add_address(message, "169.254.169.254")).await;
    let rig = Rig::new(None, &[], &[&upstream]);
    assert_eq!(
        codes(&rig.ask("metadata.google.internal.", RecordType::A).await),
        (ResponseCode::NXDomain, 0)
    );
    assert_eq!(upstream.names(), [""; 0]);
    assert_eq!(rig.refusal().name.as_deref(), Some("metadata.google.internal"));
}

#[tokio::test]
async fn network_pitfalls_search_domains_and_single_labels_are_asked_as_they_are() {
    let upstream = Upstream::start(|message, _| match message.queries[0].name().to_ascii().as_str() {
        "db." => add_address(message, "93.184.216.1"),
        "db.corp.test." => add_address(message, "93.184.216.2"),
        _ => message.metadata.response_code = ResponseCode::NXDomain,
    })
    .await;
    let rig = Rig::new(None, &[], &[&upstream]);
    assert_eq!(addresses(&rig.ask("db.", RecordType::A).await), ["93.184.216.1"]);
    assert_eq!(addresses(&rig.ask("db.corp.test.", RecordType::A).await), ["93.184.216.2"]);
    assert_eq!(codes(&rig.ask("db.other.test.", RecordType::A).await), (ResponseCode::NXDomain, 0));
}

/// A TXT record of `count` strings of 250 bytes.
fn long_text(count: usize) -> impl Fn(&mut Message, bool) + Send + Sync {
    move |message, over_tcp| {
        if !over_tcp && count > 4 {
            message.metadata.truncation = true;
            return;
        }
        let name = message.queries[0].name().clone();
        for i in 0..count {
            let text = RData::TXT(TXT::new(vec![format!("{i:0250}")]));
            message.add_answer(Record::from_rdata(name.clone(), 30, text));
        }
    }
}

#[tokio::test]
async fn network_pitfalls_edns_truncation_the_boxs_size_is_honoured_and_tc_says_that_there_is_more() {
    let upstream = Upstream::start(long_text(12)).await;
    let rig = Rig::new(None, &[], &[&upstream]);
    for (size, records) in [(None, 1), (Some(512), 1), (Some(1232), 4), (Some(4096), 12)] {
        let edns = size.map(|size| {
            let mut edns = Edns::new();
            edns.set_max_payload(size);
            edns
        });
        let (length, answer) = rig.ask_with("long.test.", RecordType::TXT, edns, false).await;
        assert!(length <= usize::from(size.unwrap_or(512)), "{size:?}: {length} bytes");
        assert_eq!(answer.answers.len(), records, "{size:?}");
        assert_eq!(answer.metadata.truncation, records < 12, "{size:?}");
        assert_eq!(answer.edns.is_some(), size.is_some());
    }
}

#[tokio::test]
async fn network_pitfalls_dns_over_tcp_a_long_text_comes_whole() {
    let upstream = Upstream::start(long_text(200)).await;
    let rig = Rig::new(None, &[], &[&upstream]);
    let (length, answer) = rig.ask_with("long.test.", RecordType::TXT, None, true).await;
    assert!(length > 50_000 && answer.answers.len() == 200 && !answer.metadata.truncation, "{length} bytes");
    // The first attempt was UDP, and the gateway itself has asked again.
    assert_eq!(upstream.names().len(), 2);
}

#[tokio::test]
async fn what_is_no_query_for_a_name_server_is_not_asked() {
    let upstream = Upstream::start(|message, _| add_address(message, "93.184.216.1")).await;
    let rig = Rig::new(None, &[], &[&upstream]);
    let a = || Query::query(Name::from_ascii("a.test.").unwrap(), RecordType::A);
    let server = &rig.server;
    let code = |message: Message| async move {
        let bytes = server.answer(&message.to_vec().unwrap(), false).await;
        bytes.map(|bytes| Message::from_vec(&bytes).unwrap().metadata.response_code)
    };
    let query = |op_code, queries: Vec<Query>| {
        let mut message = Message::new(1, MessageType::Query, op_code);
        message.queries = queries;
        message
    };
    assert_eq!(code(query(OpCode::Query, vec![a(), a()])).await, Some(ResponseCode::FormErr));
    assert_eq!(code(query(OpCode::Query, vec![])).await, Some(ResponseCode::FormErr));
    assert_eq!(code(query(OpCode::Status, vec![a()])).await, Some(ResponseCode::NotImp));
    let mut transfer = a();
    transfer.set_query_type(RecordType::AXFR);
    assert_eq!(code(query(OpCode::Query, vec![transfer])).await, Some(ResponseCode::Refused));
    let mut newer = query(OpCode::Query, vec![a()]);
    newer.set_edns(Edns::new()).edns.as_mut().unwrap().set_version(1);
    // The number is that of BADSIG, which is about something else.
    assert_eq!(code(newer).await.map(u16::from), Some(u16::from(ResponseCode::BADVERS)));
    let mut answer = query(OpCode::Query, vec![a()]);
    answer.metadata.message_type = MessageType::Response;
    assert_eq!(code(answer).await, None);
    assert!(rig.server.answer(b"short", false).await.is_none());
    // A name whose pointer leads to itself.
    let looping = [&[0, 1, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0][..], &[0xc0, 12, 0, 1, 0, 1]].concat();
    let looping = rig.server.answer(&looping, false).await.unwrap();
    assert_eq!(looping[3] & 0xf, u8::try_from(u16::from(ResponseCode::FormErr)).unwrap());
    assert_eq!(upstream.names(), [""; 0]);
}

#[tokio::test]
async fn a_box_with_ipv6_gets_its_addresses() {
    let upstream = Upstream::start(|message, _| add_address(message, "2606:4700::1")).await;
    let mut spec = spec(None, &[]);
    spec.link = link([192, 168, 127], Some(0xfd77));
    let rig = Rig::with(&spec, &[&upstream]);
    assert_eq!(addresses(&rig.ask("a.test.", RecordType::AAAA).await), ["2606:4700::1"]);
    assert_eq!(addresses(&rig.ask("host.boxlite.internal.", RecordType::AAAA).await), ["fd77::fe"]);
}
