//! `lockkeeper demo`: a small shop on a stand-in for GitHub, and the real server that releases it.

mod backend;
mod balancer;
mod copies;
mod peers;
mod progressive;
mod timeline;
mod users;

use self::peers::{Cast, GATES};
use super::narrator::{Narrator, print};
use super::stage::{Stage, broken, helpers};
use crate::config::repo::CONFIG_PATH;
use crate::domain::{Refusal, Sha};
use crate::sandbox::{CommitSeed, RepoHandle, RepoSeed, SandboxError};
use crate::surfaces::cli::demo::Args;
use std::process::ExitCode;
use std::time::Duration;

const TAG: &str = "v1.1.0";
const DEPLOYER: &str = "shop-deployer[bot]";
/// The whole show, builds aside.
const PATIENCE: Duration = Duration::from_secs(30);

const CONFIG: &str = r#"# .github/lockkeeper.toml
[environments.production]
on = ["tag"]
target = "cluster"
url = "https://shop.example.com"

[targets.cluster]
kind = "deployment"
reporters = ["shop-deployer[bot]"]
"#;

/// Runs the demo; exit code 0 when all went as told: released and deployed, or with a bad version caught and taken back.
pub fn demo(args: &Args) -> ExitCode {
    super::with_runtime(async {
        let shown = match args.strategy {
            None => show(args).await,
            Some(strategy) => progressive::show(strategy, args.bad, args.keep).await,
        };
        match shown {
            Ok(true) => ExitCode::SUCCESS,
            Ok(false) => ExitCode::FAILURE,
            Err(refusal) => super::say(&[refusal]),
        }
    })
}

async fn show(args: &Args) -> Result<bool, Refusal> {
    let mut cast = if args.peers { Cast::hire().await? } else { Cast::nobody() };
    let stage = Stage::lent(false, cast.resources.clone()).await?;
    let shop = shop(&stage, args.peers).map_err(broken)?;
    let mut narrator = Narrator::new(stage.server.host.clone());
    print(&opening(&stage, args.peers));
    let deployer = tokio::spawn(helpers(shop.clone(), DEPLOYER.to_owned(), Duration::from_millis(700)));
    let pushed = perform(&stage, &shop, &mut narrator, &mut cast).await;
    let well = match pushed {
        Ok(well) => well,
        Err(why) => return Err(broken(why)),
    };
    print(&ending(&stage, &shop, well));
    if args.keep {
        print(&kept(&stage));
        // Ctrl-C ends it; without a signal handler the process just ends, which is as good.
        let _ = tokio::signal::ctrl_c().await;
    }
    deployer.abort();
    stage.strike().await;
    Ok(well)
}

/// A little history: one release, and what has been merged since.
fn shop(stage: &Stage, peers: bool) -> Result<RepoHandle, SandboxError> {
    let config = format!("{CONFIG}{}", if peers { GATES } else { "" });
    let day = |n: i64| 1_790_000_000 + n * 86_400;
    let commits = [
        CommitSeed::new("feat: open the shop (#1)").author("ann").file("shop.txt", "open").date(day(0)),
        CommitSeed::new("chore: deploy with Lockkeeper (#2)")
            .author("ann")
            .file(CONFIG_PATH, &config)
            .date(day(1))
            .tagged("v1.0.0"),
        CommitSeed::new("feat(cart): remember it for a week (#3)").author("ben").file("cart.txt", "week").date(day(3)),
        CommitSeed::new("fix(pay): count the discount once (#4)").author("cleo").file("pay.txt", "once").date(day(5)),
        CommitSeed::new("perf: ask the stock in one query (#5)").author("ann").file("stock.txt", "one").date(day(6)),
    ];
    stage.github.create_repo(RepoSeed::new("acme/shop").commits(commits))
}

/// Pushes the tag while the build is still running, lets the build pass, and watches until both runs have ended.
async fn perform(stage: &Stage, shop: &RepoHandle, narrator: &mut Narrator, cast: &mut Cast) -> Result<bool, SandboxError> {
    let head = shop.resolve("main").ok_or_else(|| SandboxError::Refused("the shop has no head".into()))?;
    let build = shop.start_check("github-actions", &head, "build")?;
    let mut events = stage.server.host.watch();
    narrator.begin();
    narrator.say("you", &format!("git push origin {TAG}"));
    shop.annotated_tag(TAG, &head, "The cart remembers")?;
    let mut built = Box::pin(tokio::time::sleep(Duration::from_millis(1_500)));
    let mut over = Box::pin(tokio::time::sleep(PATIENCE));
    let (mut waiting, mut announced) = (true, 0);
    loop {
        tokio::select! {
            event = events.recv() => if let Ok(event) = event { narrator.event(&event).await },
            () = &mut built, if waiting => {
                waiting = false;
                narrator.say("ci", "check \"build\" succeeded");
                shop.complete_check(build, "success")?;
            }
            Some(text) = cast.heard.recv() => {
                announced += 1;
                narrator.say("room", &text);
            }
            () = &mut over => return Ok(false),
        }
        if announced >= cast.expected && done(shop, &head) {
            return Ok(true);
        }
    }
}

fn done(shop: &RepoHandle, head: &Sha) -> bool {
    let passed = |name: &str| shop.newest_check(head, name).is_some_and(|c| c.conclusion.as_deref() == Some("success"));
    passed("lockkeeper/release") && passed("lockkeeper/production")
}

fn opening(stage: &Stage, peers_are_asked: bool) -> String {
    let opening = format!(
        "Lockkeeper {}: a tag goes in, a gated release comes out.\n\n  a stand-in for GitHub   {}\n  the real server         http://{}\n  a repository            acme/shop, released as v1.0.0, three changes since\n",
        env!("CARGO_PKG_VERSION"),
        stage.github.base_url(),
        stage.server.address
    );
    let peers = "  two MCP servers         testing runs the shop's tests, communications announces; their tools are pinned\n";
    opening + if peers_are_asked { peers } else { "" } + "\n"
}

fn ending(stage: &Stage, shop: &RepoHandle, well: bool) -> String {
    if !well {
        return format!(
            "\nThe tag was not released within {} s. `LOCKKEEPER_LOG=debug lockkeeper demo` says more.\n",
            PATIENCE.as_secs()
        );
    }
    let mut out = String::from("\n");
    for release in shop.releases().iter().filter(|release| !release.draft) {
        let notes: Vec<String> =
            release.body.lines().filter(|l| !l.starts_with("<!--")).map(|l| format!("  │ {l}\n")).collect();
        out += &format!("Release {} of acme/shop\n\n{}\n", release.tag, notes.concat());
    }
    for deployment in shop.deployments() {
        let states: Vec<&str> = deployment.statuses.iter().map(|s| s.state.as_str()).collect();
        out += &format!("Deployment of {} to {}: {}\n", deployment.sha.short(), deployment.environment, states.join(" → "));
    }
    let calls: u64 = stage.github.counts().iter().filter(|(route, _)| !route.contains("access_tokens")).map(|(_, n)| n).sum();
    out + &format!("GitHub was asked {calls} times; nothing was refused: {}.\n", stage.github.violations().is_empty())
        + "\nWhat next\n  lockkeeper rehearse --repo . --tag v1.2.3   what would happen in your own repository\n  lockkeeper serve --help                      run it for real; the README says how in five minutes\n"
}

fn kept(stage: &Stage) -> String {
    format!(
        "\nEverything keeps running until Ctrl-C:\n  curl http://{}/metrics\n  lockkeeper runs list --data-dir {}\n",
        stage.server.address,
        stage.data_dir().display()
    )
}
