//! A real HAProxy without rights, in a folder of its own, before services of ours; all of it over UNIX sockets, so that no
//! port is needed. And users: requests, one after the other on each of a few tasks, until they are told to stop.

use lockkeeper::config::repo::HaproxyTraffic;
use lockkeeper::config::settings::{BalancerAddress, BalancerSettings, Repositories};
use lockkeeper::domain::{PerSlot, RepoName};
use lockkeeper::targets::haproxy::Haproxy;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, AtomicU16, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{UnixListener, UnixStream};
use tokio::task::JoinHandle;

const PATIENCE: Duration = Duration::from_secs(20);

pub struct Stage {
    pub folder: TempDir,
    pub services: BTreeMap<&'static str, Service>,
    process: Option<Child>,
}

/// One copy of what is deployed.
#[derive(Clone, Default)]
pub struct Service(Arc<Inner>);

#[derive(Default)]
struct Inner {
    sick: AtomicBool,
    /// Status of answers; 0 is 200.
    status: AtomicU16,
    delay_ms: AtomicU64,
}

impl Service {
    pub fn sick(&self, sick: bool) {
        self.0.sick.store(sick, Ordering::SeqCst);
    }
    pub fn answers(&self, status: u16) {
        self.0.status.store(status, Ordering::SeqCst);
    }
    pub fn takes(&self, time: Duration) {
        self.0.delay_ms.store(time.as_millis().try_into().unwrap(), Ordering::SeqCst);
    }

    fn start(&self, name: &'static str, socket: &Path) {
        let (listener, inner) = (UnixListener::bind(socket).unwrap(), Arc::clone(&self.0));
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(serve(stream, name, Arc::clone(&inner)));
            }
        });
    }
}

async fn serve(mut stream: UnixStream, name: &'static str, inner: Arc<Inner>) -> std::io::Result<()> {
    let mut asked = [0; 1024];
    let mut read = 0;
    while !asked[..read].windows(4).any(|w| w == b"\r\n\r\n") {
        match stream.read(&mut asked[read..]).await? {
            0 => return Ok(()),
            more => read += more,
        }
    }
    let health = asked.starts_with(b"GET /health");
    let status = match inner.status.load(Ordering::SeqCst) {
        _ if health && inner.sick.load(Ordering::SeqCst) => 503,
        0 => 200,
        _ if health => 200,
        status => status,
    };
    if !health {
        tokio::time::sleep(Duration::from_millis(inner.delay_ms.load(Ordering::SeqCst))).await;
    }
    let answer = format!("HTTP/1.1 {status} X\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{name}", name.len());
    stream.write_all(answer.as_bytes()).await
}

impl Stage {
    /// Servers are named `blue1`, `green1` and so on; `extra` are further lines of the backend.
    pub async fn new(servers: &[&'static str], extra: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut lines = String::new();
        let mut services = BTreeMap::new();
        for name in servers {
            let service = Service::default();
            service.start(name, &folder.path().join(name));
            services.insert(*name, service);
            lines += &format!("  server {name} unix@{}/{name} check inter 50ms rise 1 fall 1\n", folder.path().display());
        }
        let at = folder.path().display();
        let config = format!(
            "global\n  stats socket {at}/admin level admin\n  stats socket {at}/user level user\n  nbthread 2\n\
             defaults\n  mode http\n  timeout check 2s\n  timeout connect 5s\n  timeout client 30s\n  timeout server 30s\n  option redispatch\n\
             frontend front\n  bind unix@{at}/front\n  default_backend web\n\
             backend web\n  balance roundrobin\n  option httpchk GET /health\n{extra}{lines}\
             backend fixed\n  balance static-rr\n  server a unix@{at}/a\n  server b unix@{at}/b\n\
             backend spare\n  server a unix@{at}/a\n  server b unix@{at}/b backup\n"
        );
        std::fs::write(folder.path().join("haproxy.cfg"), config).unwrap();
        let mut stage = Self { folder, services, process: None };
        stage.start().await;
        stage
    }

    /// Starts HAProxy and waits until it has looked at every server.
    pub async fn start(&mut self) {
        let log = std::fs::File::options().create(true).append(true).open(self.folder.path().join("log")).unwrap();
        let process = Command::new(program())
            .args(["-db", "-f"])
            .arg(self.folder.path().join("haproxy.cfg"))
            .stdin(Stdio::null())
            .stdout(log.try_clone().unwrap())
            .stderr(log)
            .spawn()
            .unwrap();
        self.process = Some(process);
        let end = Instant::now() + PATIENCE;
        while !self.is_ready().await {
            let log = std::fs::read_to_string(self.folder.path().join("log")).unwrap();
            assert!(Instant::now() < end, "HAProxy does not start:\n{log}");
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    /// All servers have been checked at least once.
    async fn is_ready(&self) -> bool {
        let Ok(stream) = UnixStream::connect(self.folder.path().join("admin")).await else { return false };
        let answer = exchange(stream, "show stat web 4 -1\n").await.unwrap_or_default();
        let checked = answer.lines().filter(|line| ["L7OK", "L7STS"].iter().any(|c| line.contains(&format!(",{c},")))).count();
        checked == self.services.len()
    }

    /// No warning, no end of work: as a machine that loses its power.
    pub fn kill(&mut self) {
        if let Some(mut process) = self.process.take() {
            process.kill().unwrap();
            process.wait().unwrap();
        }
    }

    pub fn traffic(&self, blue: &[&str], green: &[&str]) -> Haproxy {
        self.through("admin", "web", blue, green)
    }

    pub fn through(&self, socket: &str, backend: &str, blue: &[&str], green: &[&str]) -> Haproxy {
        haproxy(self.folder.path().join(socket), backend, blue, green)
    }

    pub fn users(&self) -> Users {
        self.crowd(4, Duration::from_millis(3))
    }
    /// So many at once, each with this pause between two requests.
    pub fn crowd(&self, count: usize, pause: Duration) -> Users {
        Users::start(self.folder.path().join("front"), count, pause)
    }
    pub fn nobody(&self) -> Users {
        self.crowd(0, Duration::ZERO)
    }
}

impl Drop for Stage {
    fn drop(&mut self) {
        self.kill();
    }
}

pub fn haproxy(socket: PathBuf, backend: &str, blue: &[&str], green: &[&str]) -> Haproxy {
    let names = |list: &[&str]| list.iter().map(|s| (*s).to_owned()).collect();
    let slots = PerSlot { blue: names(blue), green: names(green) };
    let settings = BalancerSettings {
        address: BalancerAddress::Unix(socket),
        timeout: Duration::from_millis(1500),
        backends: Vec::new(),
        repositories: Repositories(vec!["**".into()]),
    };
    let traffic = HaproxyTraffic { balancer: "edge".into(), backend: backend.into(), slots };
    Haproxy::new(&settings, &traffic, &RepoName::parse("acme/shop").unwrap()).unwrap()
}

/// Debian puts it where users without rights do not look.
fn program() -> PathBuf {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let folders = std::env::split_paths(&path).chain(["/usr/sbin".into(), "/usr/local/sbin".into()]);
    let found = folders.map(|folder| folder.join("haproxy")).find(|file| file.is_file());
    found.expect("these tests need the program haproxy: install it with `apt-get install haproxy`")
}

async fn exchange(mut stream: UnixStream, text: &str) -> std::io::Result<String> {
    stream.write_all(text.as_bytes()).await?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await?;
    Ok(answer)
}

/// Who use the service: how many answers came from each copy, and what failed.
pub struct Users {
    front: PathBuf,
    seen: Arc<Mutex<Seen>>,
    stop: Arc<AtomicBool>,
    tasks: Vec<JoinHandle<()>>,
}

#[derive(Default)]
struct Seen {
    answers: BTreeMap<String, u64>,
    failures: Vec<String>,
    total: u64,
}

impl Seen {
    fn note(&mut self, answer: Result<String, String>) {
        self.total += 1;
        match answer {
            Ok(name) => *self.answers.entry(name).or_default() += 1,
            Err(why) => self.failures.push(why),
        }
    }
}

impl Users {
    fn start(front: PathBuf, count: usize, pause: Duration) -> Self {
        let (seen, stop) = (Arc::<Mutex<Seen>>::default(), Arc::<AtomicBool>::default());
        let task = || {
            let (front, seen, stop) = (front.clone(), Arc::clone(&seen), Arc::clone(&stop));
            tokio::spawn(async move {
                while !stop.load(Ordering::SeqCst) {
                    let answer = ask(&front).await;
                    seen.lock().unwrap().note(answer);
                    tokio::time::sleep(pause).await;
                }
            })
        };
        let tasks = (0..count).map(|_| task()).collect();
        Self { front, seen, stop, tasks }
    }

    /// Share of each slot, in percent, over the next `count` requests.
    pub async fn shares(&self, count: u64) -> PerSlot<f64> {
        self.seen.lock().unwrap().answers.clear();
        loop {
            tokio::time::sleep(Duration::from_millis(10)).await;
            let seen = self.seen.lock().unwrap();
            let of = |slot: &str| seen.answers.iter().filter(|(n, _)| n.starts_with(slot)).map(|(_, c)| *c).sum::<u64>();
            let (blue, green) = (of("blue"), of("green"));
            if blue + green >= count {
                let percent = |n: u64| 100.0 * n as f64 / (blue + green) as f64;
                return PerSlot { blue: percent(blue), green: percent(green) };
            }
        }
    }

    /// How many were answered, and how many of them badly or not at all.
    pub fn so_far(&self) -> (u64, usize) {
        let seen = self.seen.lock().unwrap();
        (seen.total, seen.failures.len())
    }

    pub fn one(&self) -> JoinHandle<Result<String, String>> {
        let front = self.front.clone();
        tokio::spawn(async move { ask(&front).await })
    }

    /// All requests, and those that failed.
    pub async fn stop(self) -> (u64, Vec<String>) {
        self.stop.store(true, Ordering::SeqCst);
        for task in self.tasks {
            task.await.unwrap();
        }
        let mut seen = self.seen.lock().unwrap();
        (seen.total, std::mem::take(&mut seen.failures))
    }
}

async fn ask(front: &Path) -> Result<String, String> {
    let stream = UnixStream::connect(front).await.map_err(|why| why.to_string())?;
    let asked = "GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";
    let answer = exchange(stream, asked).await.map_err(|why| why.to_string())?;
    match answer.split_once("\r\n\r\n") {
        Some((head, body)) if head.starts_with("HTTP/1.1 200") && !body.is_empty() => Ok(body.to_owned()),
        _ => Err(answer.lines().next().unwrap_or("no answer").to_owned()),
    }
}
