//! The smallest App: a key, a token, requests.

use lockkeeper::sandbox::Sandbox;
use serde_json::{Value, json};
use std::time::{SystemTime, UNIX_EPOCH};

pub struct Bot {
    http: reqwest::Client,
    base: String,
    pub token: String,
}

pub struct Answer {
    pub status: u16,
    pub headers: reqwest::header::HeaderMap,
    pub body: Value,
}

impl Answer {
    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |v| v.to_str().unwrap())
    }
    pub fn expect(self, status: u16) -> Value {
        assert_eq!(self.status, status, "{}", self.body);
        self.body
    }
    pub fn message(&self) -> String {
        self.body["message"].as_str().unwrap_or_default().to_owned()
    }
}

/// A JWT of the App; `life` in seconds from now, issued `ago` seconds before now.
pub fn jwt(sandbox: &Sandbox, ago: i64, life: i64) -> String {
    let now = i64::try_from(SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs()).unwrap();
    let claims = json!({ "iat": now - ago, "exp": now + life, "iss": sandbox.app_id().to_string() });
    let key = jsonwebtoken::EncodingKey::from_rsa_pem(sandbox.private_key_pem().as_bytes()).unwrap();
    jsonwebtoken::encode(&jsonwebtoken::Header::new(jsonwebtoken::Algorithm::RS256), &claims, &key).unwrap()
}

impl Bot {
    /// With a token of the installation on `acme`.
    pub async fn of(sandbox: &Sandbox) -> Self {
        let mut bot = Self::app(sandbox);
        let install = sandbox.installation("acme").unwrap();
        let answer = bot.post(&format!("/app/installations/{install}/access_tokens"), json!({})).await.expect(201);
        bot.token = answer["token"].as_str().unwrap().to_owned();
        bot
    }
    /// With the App's JWT.
    pub fn app(sandbox: &Sandbox) -> Self {
        Self::with(sandbox, &jwt(sandbox, 60, 500))
    }
    pub fn with(sandbox: &Sandbox, token: &str) -> Self {
        let http = reqwest::Client::builder().user_agent("bot").build().unwrap();
        Self { http, base: sandbox.base_url().to_owned(), token: token.to_owned() }
    }

    pub fn request(&self, method: &str, path: &str) -> reqwest::RequestBuilder {
        let url = if path.starts_with("http") { path.to_owned() } else { format!("{}{path}", self.base) };
        let method = reqwest::Method::from_bytes(method.as_bytes()).unwrap();
        self.http.request(method, url).bearer_auth(&self.token).header("x-github-api-version", "2022-11-28")
    }
    pub async fn send(request: reqwest::RequestBuilder) -> Answer {
        let response = request.send().await.unwrap();
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        let text = response.text().await.unwrap();
        let body = serde_json::from_str(&text).unwrap_or(Value::String(text));
        Answer { status, headers, body }
    }
    pub async fn get(&self, path: &str) -> Answer {
        Self::send(self.request("GET", path)).await
    }
    pub async fn post(&self, path: &str, body: Value) -> Answer {
        Self::send(self.request("POST", path).json(&body)).await
    }
    pub async fn patch(&self, path: &str, body: Value) -> Answer {
        Self::send(self.request("PATCH", path).json(&body)).await
    }
    pub async fn graphql(&self, query: &str, variables: Value) -> Value {
        self.post("/graphql", json!({ "query": query, "variables": variables })).await.expect(200)
    }
}
