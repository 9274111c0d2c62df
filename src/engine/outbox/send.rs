//! One attempt to tell one receiver.

use super::{Notifiers, Told};
use crate::config::settings::{NotifierKind, NotifierSettings};
use crate::probes::{Answer, Ask, CallError, Trust};
use crate::render::news;
use crate::store::outbox::Message;
use crate::targets::sign;
use bytes::Bytes;
use http::header::{CONTENT_TYPE, HeaderName, HeaderValue, InvalidHeaderValue, RETRY_AFTER};
use http::{HeaderMap, Method};
use std::time::Duration;

const DELIVERY: HeaderName = HeaderName::from_static("x-lockkeeper-delivery");
const EVENT: HeaderName = HeaderName::from_static("x-lockkeeper-event");
const TIMESTAMP: HeaderName = HeaderName::from_static("x-lockkeeper-timestamp");
const SIGNATURE: HeaderName = HeaderName::from_static(sign::HEADER);
/// No receiver decides to be left alone for longer.
const LONGEST_PAUSE: Duration = Duration::from_secs(60 * 60);

impl Notifiers {
    pub(super) async fn send(&self, notifier: &NotifierSettings, message: &Message) -> Told {
        let written = match &notifier.kind {
            NotifierKind::Webhook { url, secret } => {
                let seconds = self.host.now().0 / 1_000;
                let mut body = news::fields(&message.news, &self.site);
                // Signed with the rest, so that an old message cannot pass for a new one.
                body["delivery"] = message.id.clone().into();
                body["timestamp"] = seconds.into();
                let body = Bytes::from(body.to_string());
                let signed = sign::sign(secret, &body);
                let (id, event) = (message.id.as_str(), message.news.kind.as_str());
                headers(&[(DELIVERY, id), (EVENT, event), (TIMESTAMP, &seconds.to_string()), (SIGNATURE, &signed)])
                    .map(|headers| (url.as_str(), headers, body))
            }
            NotifierKind::Slack { url } => {
                let body = Bytes::from(news::slack(&message.news, &self.site).to_string());
                headers(&[(DELIVERY, &message.id)]).map(|headers| (url.expose(), headers, body))
            }
            NotifierKind::Peer { peer, tool } => return self.ask(peer, tool, notifier.timeout, message).await,
        };
        let Ok((url, headers, body)) = written else { return Told::Not("message_invalid", None) };
        let ask = Ask { method: Method::POST, url, trust: Trust::Operator, headers, body, timeout: notifier.timeout };
        match self.caller.call(ask).await {
            Ok(answer) => judged(&answer),
            Err(why) => Told::Not(uncalled(why), None),
        }
    }
}

impl Notifiers {
    /// What a peer is asked to announce: the fields that programs are told, and the id of the message.
    async fn ask(&self, peer: &str, tool: &str, timeout: Duration, message: &Message) -> Told {
        let mut told = news::fields(&message.news, &self.site);
        told["delivery"] = message.id.clone().into();
        let fields = told.as_object().into_iter().flatten().filter(|(_, value)| !value.is_null());
        let arguments = fields.map(|(name, value)| (name.clone(), value.clone())).collect();
        match tokio::time::timeout(timeout, self.peers.call(peer, tool, arguments)).await {
            Ok(Ok(_)) => Told::Taken,
            Ok(Err(trouble)) => Told::Not(trouble.code, None),
            Err(_) => Told::Not("receiver_timed_out", None),
        }
    }
}

fn headers(all: &[(HeaderName, &str)]) -> Result<HeaderMap, InvalidHeaderValue> {
    let json = [(CONTENT_TYPE, HeaderValue::from_static("application/json"))];
    let ours = all.iter().map(|(name, value)| Ok((name.clone(), HeaderValue::from_str(value)?)));
    json.into_iter().map(Ok).chain(ours).collect()
}

/// Nobody is followed to another place: what is sent is for one receiver.
fn judged(answer: &Answer) -> Told {
    let pause = || answer.headers.get(RETRY_AFTER)?.to_str().ok()?.trim().parse().ok().map(Duration::from_secs);
    match answer.status.as_u16() {
        200..=299 => Told::Taken,
        300..=399 => Told::Not("receiver_redirected", None),
        429 | 503 => Told::Not("receiver_busy", pause().map(|span| span.min(LONGEST_PAUSE))),
        400..=499 => Told::Not("receiver_refused", None),
        _ => Told::Not("receiver_failing", None),
    }
}

fn uncalled(why: CallError) -> &'static str {
    match why {
        CallError::BadUrl => "receiver_url_invalid",
        // An operator's address is never closed.
        CallError::Closed(_) => "receiver_closed",
        CallError::TimedOut => "receiver_timed_out",
        CallError::Unreachable => "receiver_unreachable",
        CallError::TooLarge => "receiver_answer_too_large",
    }
}
