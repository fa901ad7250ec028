//! One store, several processes: what one fetches the others find, and nobody takes away what another is using.

use std::{
    io::{BufRead, BufReader, Read},
    path::{Path, PathBuf},
    process::{Child, ChildStdin, ChildStdout, Command, Stdio},
};

use boxlite_images::{ImageManager, ImageOptions, PullOptions, RegistryOptions};

use crate::{
    fixture::{Home, Layout, assert_whole, layer},
    proxy::{Act, Proxy},
    registry::Registry,
};

const CHILD: &str = "BOXLITE_TEST_SHARED";
const PROCESSES: usize = 3;

/// Another process with the same store: it pulls, says so, and keeps the image until it is told to end.
struct Other {
    child: Child,
    stdin: Option<ChildStdin>,
    stdout: BufReader<ChildStdout>,
}

impl Other {
    fn pulls(store: &Path, references: &[String]) -> Self {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--ignored", "--exact", "--nocapture", "shared::child_that_pulls"])
            .env(CHILD, format!("{} {}", store.display(), references.join(" ")))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let stdout = BufReader::new(child.stdout.take().unwrap());
        Self { stdin: child.stdin.take(), child, stdout }
    }

    /// Waits until it has its images.
    fn has_pulled(&mut self) {
        let mut seen = String::new();
        while !seen.ends_with("pulled\n") {
            assert_ne!(self.stdout.read_line(&mut seen).unwrap(), 0, "{seen}");
        }
    }

    fn end(mut self) {
        drop(self.stdin.take());
        assert!(self.child.wait().unwrap().success());
    }

    fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

#[tokio::test]
#[ignore = "started by the tests of this file"]
async fn child_that_pulls() {
    let words = std::env::var(CHILD).unwrap();
    let mut words = words.split(' ');
    let mut options = ImageOptions::default();
    let store = PathBuf::from(words.next().unwrap());
    let references: Vec<_> = words.collect();
    let mut registry = RegistryOptions::new(references[0].split_once('/').unwrap().0);
    registry.http = true;
    options.registries = vec![registry];
    options.docker_credentials = false;
    let images = ImageManager::open(store, options).unwrap();
    let pulls = references.iter().map(|reference| images.pull(reference, PullOptions::default()));
    let pulled = futures::future::try_join_all(pulls).await.unwrap();
    for image in &pulled {
        images.verify(image).await.unwrap();
    }
    println!("pulled");
    tokio::task::spawn_blocking(|| std::io::stdin().read_to_end(&mut Vec::new())).await.unwrap().unwrap();
}

fn store(home: &Home) -> PathBuf {
    home.dir.path().join("images")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn processes_that_pull_at_once_fetch_each_blob_once() {
    let registry = Registry::start();
    let shared = layer(1, 400_000);
    let tars: Vec<_> = (2..5).map(|seed| [shared.clone(), layer(seed, 60_000)]).collect();
    for (number, layers) in tars.iter().enumerate() {
        registry.push(&Layout::with_layers(layers), &format!("app{number}"));
    }
    // Slow enough for everybody to come while it is under way.
    let slow = |request: &crate::proxy::Request| {
        if request.path.contains("/blobs/") { Act::Drip(16_000) } else { Act::Pass }
    };
    let proxy = Proxy::start(&registry.host, slow).await;
    let home = Home::http(&proxy.host);
    let reference = |number: usize| format!("{}/app{number}", proxy.host);
    let mut others: Vec<_> = (0..PROCESSES)
        .map(|process| Other::pulls(&store(&home), &[reference(process), reference((process + 1) % 3)]))
        .collect();
    let others = tokio::task::spawn_blocking(move || {
        others.iter_mut().for_each(Other::has_pulled);
        others
    });
    let others = others.await.unwrap();
    for (number, tars) in tars.iter().enumerate() {
        let image = home.pull(&reference(number)).await.unwrap();
        assert_whole(&image, tars);
        for layer in &image.layers {
            assert_eq!(proxy.count(&layer.digest), 1, "{}", layer.digest);
        }
    }
    others.into_iter().for_each(Other::end);
    assert_eq!(home.images.list().await.unwrap().len(), 3, "nobody's entry was lost");
    assert_eq!(home.blobs().len(), 3 + 3 + 4, "manifests, configurations, three layers and the shared one");
    assert!(home.blobs().iter().all(|name| name.len() == 64), "{:?}", home.blobs());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nobody_removes_what_another_process_has_in_hand() {
    let registry = Registry::start();
    let tars = [layer(1, 200_000), layer(2, 1000)];
    registry.push(&Layout::with_layers(&tars), "app");
    let home = Home::http(&registry.host);
    let reference = format!("{}/app", registry.host);
    for ends_well in [true, false] {
        let mut other = Other::pulls(&store(&home), std::slice::from_ref(&reference));
        other.has_pulled();
        let digest = home.images.list().await.unwrap()[0].digest.clone();
        assert!(home.images.is_held(&digest));
        assert!(home.images.remove(&reference).await.unwrap());
        assert_eq!(home.blobs().len(), 4, "kept for the other process");
        assert!(home.images.list().await.unwrap().is_empty());
        if ends_well {
            other.end();
        } else {
            other.kill();
        }
        assert!(!home.images.is_held(&digest), "a hold ends with its process");
        home.images.prune(|_| true).await.unwrap();
        assert_eq!(home.blobs(), [""; 0]);
    }
}

/// While one process pulls, another cleans up without a pause.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_clean_up_beside_a_pull_takes_nothing_of_it() {
    let registry = Registry::start();
    let tars = [layer(1, 300_000), layer(2, 100_000), layer(3, 10)];
    registry.push(&Layout::with_layers(&tars), "app");
    let proxy = Proxy::start(&registry.host, |_| Act::Drip(16_000)).await;
    let home = Home::http(&proxy.host);
    let mut other = Other::pulls(&store(&home), &[format!("{}/app", proxy.host)]);
    let pulled = tokio::task::spawn_blocking(move || {
        other.has_pulled();
        other
    });
    while !pulled.is_finished() {
        home.images.prune(|_| false).await.unwrap();
    }
    pulled.await.unwrap().end();
    let image = home.pull(&format!("{}/app", proxy.host)).await.unwrap();
    assert_whole(&image, &tars);
    for layer in &image.layers {
        assert_eq!(proxy.count(&layer.digest), 1, "nothing had to be fetched again");
    }
}
