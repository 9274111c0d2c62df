//! Trouble on demand, and moments to look in.

use super::bot::Bot;
use super::shop;
use lockkeeper::sandbox::{Fault, Moment, Trouble, Verdict};
use serde_json::json;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

fn draft(tag: &str) -> serde_json::Value {
    json!({ "tag_name": tag, "draft": true })
}

#[tokio::test]
async fn an_answer_fails_before_or_is_lost_after() {
    let (sandbox, shop) = shop();
    let bot = Bot::of(&sandbox).await;
    sandbox.fault(Fault::status("POST", "/releases$", 429).header("retry-after", 7));
    let refused = bot.post("/repos/acme/shop/releases", draft("a")).await;
    assert_eq!((refused.status, refused.header("retry-after"), shop.releases().len()), (429, "7", 0));
    sandbox.fault(Fault::status("POST", "/releases$", 502).after().times(2));
    for n in 1..=2 {
        assert_eq!(bot.post("/repos/acme/shop/releases", draft("b")).await.status, 502);
        assert_eq!(shop.releases().len(), n, "the effect is kept");
    }
    bot.post("/repos/acme/shop/releases", draft("c")).await.expect(201);
    assert_eq!(sandbox.violations().len(), 0, "injected trouble is nobody's fault");
    assert_eq!(sandbox.counts()["POST /repos/{owner}/{repo}/releases"], 4);
    sandbox.fault(Fault::on("*", "/graphql Named$", Trouble::Reset));
    let query = json!({ "query": "query Named { viewer { login } }" });
    assert!(bot.request("POST", "/graphql").json(&query).send().await.is_err());
    assert_eq!(bot.post("/graphql", query).await.expect(200)["data"]["viewer"]["login"], "lockkeeper[bot]");
}

#[tokio::test]
async fn an_answer_is_late_or_never_comes() {
    let (sandbox, shop) = shop();
    let bot = Bot::of(&sandbox).await;
    sandbox.fault(Fault::on("GET", "/repos/acme/shop$", Trouble::Delay(Duration::from_millis(80))));
    let started = Instant::now();
    bot.get("/repos/acme/shop").await.expect(200);
    assert!(started.elapsed() >= Duration::from_millis(80));
    sandbox.fault(Fault::on("POST", "/releases$", Trouble::Hang).after());
    let ask = bot.request("POST", "/repos/acme/shop/releases").json(&draft("a")).timeout(Duration::from_millis(150));
    assert!(ask.send().await.unwrap_err().is_timeout());
    assert_eq!(shop.releases().len(), 1);
    assert_eq!(bot.get("/repos/acme/shop").await.status, 200, "nothing else hangs");
}

#[tokio::test]
async fn hooks_are_called_around_the_effect_in_order() {
    let (sandbox, shop) = shop();
    let bot = Bot::of(&sandbox).await;
    let seen: Arc<Mutex<Vec<(Moment, usize)>>> = Arc::default();
    for moment in [Moment::BeforeEffect, Moment::AfterEffect, Moment::AfterAnswer] {
        let (seen, shop) = (seen.clone(), shop.clone());
        sandbox.on(moment, move |request| {
            if request.path.ends_with("/releases") {
                seen.lock().unwrap().push((moment, shop.releases().len()));
            }
        });
    }
    bot.post("/repos/acme/shop/releases", draft("a")).await.expect(201);
    for _ in 0..200 {
        if seen.lock().unwrap().len() == 3 {
            break;
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let seen = seen.lock().unwrap().clone();
    assert_eq!(seen, [(Moment::BeforeEffect, 0), (Moment::AfterEffect, 1), (Moment::AfterAnswer, 1)]);
}

#[tokio::test]
async fn an_abandoned_request_has_no_effect_or_no_answer() {
    let (sandbox, shop) = shop();
    let bot = Bot::of(&sandbox).await;
    for (moment, left) in [(Moment::BeforeEffect, 0), (Moment::AfterEffect, 1)] {
        sandbox.clear_faults();
        sandbox.intercept(moment, |request| if request.path.ends_with("/releases") { Verdict::Abandon } else { Verdict::GoOn });
        assert!(bot.request("POST", "/repos/acme/shop/releases").json(&draft("a")).send().await.is_err());
        assert_eq!(shop.releases().len(), left, "{moment:?}");
    }
}

#[tokio::test]
async fn making_too_much_is_slowed_down() {
    let (sandbox, _) = shop();
    let bot = Bot::of(&sandbox).await;
    sandbox.set_secondary_limits(true);
    for _ in 0..80 {
        bot.post("/repos/acme/shop/releases", draft("a")).await.expect(201);
    }
    let slow = bot.post("/repos/acme/shop/releases", draft("a")).await;
    assert_eq!((slow.status, slow.header("retry-after")), (403, "60"));
    assert_eq!(bot.get("/repos/acme/shop").await.status, 200);
    sandbox.set_clock_offset(-3_600_000);
    assert!(bot.get("/nowhere").await.header("date").ends_with(" GMT"));
}
