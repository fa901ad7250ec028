//! A line between client and registry that does something wrong with every second request, over many seeds: nothing is
//! lost, no wrong byte is accepted, and no rubbish stays. `BOXLITE_TEST_SEEDS=1000` plays so many seeds.

use std::{
    hash::{DefaultHasher, Hash, Hasher},
    sync::Arc,
    time::Duration,
};

use boxlite_error::ErrorCode;
use boxlite_images::RegistryOptions;
use futures::{StreamExt, stream};

use crate::{
    fixture::{Home, Layout, assert_whole, layer},
    proxy::{Act, Proxy, Request, answer},
    registry::Registry,
};

const SEEDS: u64 = 48;
/// Pulls at the same time.
const AT_ONCE: usize = 48;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whatever_goes_wrong_on_the_way_the_image_comes_whole() {
    let registry = Registry::start();
    let tars = Arc::new([layer(1, 300_000), layer(2, 90_000), layer(3, 100)]);
    registry.push(&Layout::with_layers(&*tars), "app");
    let seeds = std::env::var("BOXLITE_TEST_SEEDS").map_or(SEEDS, |count| count.parse().unwrap());
    let run = |seed| tokio::spawn(run(seed, registry.host.clone(), Arc::clone(&tars)));
    let failed: Vec<u64> =
        stream::iter(0..seeds).map(run).buffer_unordered(AT_ONCE).map(Result::unwrap).collect().await;
    let failures: u64 = failed.iter().sum();
    println!("{seeds} seeds: {failures} pulls failed before one came through");
    assert!(failures > seeds / 4, "the line was too good: only {failures} pulls failed");
}

/// Pulls until it works; how often it did not.
async fn run(seed: u64, upstream: String, tars: Arc<[Vec<u8>; 3]>) -> u64 {
    let proxy = Proxy::start(&upstream, move |request| act(seed, request)).await;
    let mut options = RegistryOptions::new(&proxy.host);
    options.http = true;
    let home = Home::with(|all| {
        all.registries = vec![options];
        all.timeouts.read = Duration::from_millis(1500);
        all.attempts = 2;
    });
    for failures in 0..60 {
        match home.pull(&format!("{}/app", proxy.host)).await {
            Ok(image) => {
                assert_whole(&image, &*tars);
                let whole = home.blobs().iter().all(|name| name.len() == 64);
                assert!(whole, "seed {seed}: {:?}", home.blobs());
                home.images.verify(&image).await.unwrap();
                return failures;
            }
            Err(error) => {
                let expected = matches!(
                    error.code(),
                    ErrorCode::RegistryUnreachable
                        | ErrorCode::RegistryFailed
                        | ErrorCode::RegistryRateLimited
                        | ErrorCode::ImageDigestMismatch
                        | ErrorCode::ImageCorrupt
                        | ErrorCode::ImageNotFound
                        | ErrorCode::ImageUnauthorized
                        | ErrorCode::ImageTooLarge
                        | ErrorCode::ImageUnsupported
                );
                assert!(expected, "seed {seed}: {error:?}");
                assert!(
                    home.images.list().await.unwrap().is_empty(),
                    "seed {seed}: remembered a failed pull"
                );
            }
        }
    }
    panic!("seed {seed}: still no image");
}

/// What befalls a request: chance, but the same for the same seed.
fn act(seed: u64, request: &Request) -> Act {
    let mut hasher = DefaultHasher::new();
    (seed, &request.path, request.before).hash(&mut hasher);
    let chance = hasher.finish();
    let at = usize::try_from(chance >> 32).unwrap() % 310_000;
    match chance % 16 {
        0 | 1 => Act::Cut(at),
        2 => Act::Flip(at),
        // In the head, or in a small body.
        3 => Act::Flip(at % 700),
        4 => Act::Stall(at),
        5 => answer("503 Service Unavailable", ""),
        6 => answer("429 Too Many Requests", "Retry-After: 0\r\n"),
        7 => answer("200 OK", ""),
        _ => Act::Pass,
    }
}
