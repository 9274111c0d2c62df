//! The shipped server's core with the specially named tools, prompts and resources that the official suite calls. What is not
//! named here is the core's to answer.
#![allow(deprecated, reason = "the suite still asks for sampling, logging, roots and the old way to subscribe")]
use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use rmcp::{
    ErrorData, RoleServer, ServerHandler,
    model::*,
    service::{RequestContext, SubscriptionContext, SubscriptionSink},
};
use serde_json::{Value, json};

use lockkeeper::surfaces::mcp::Agents;

const PNG: &str = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mP8z8BQDwAEhQGAhKmMIQAAAABJRU5ErkJggg==";
const WAV: &str = "UklGRiQAAABXQVZFZm10IBAAAAABAAEAQB8AAEAfAAABAAgAZGF0YQAAAAA=";

#[derive(Clone)]
pub struct Fixture {
    core: Agents,
    codec: RequestStateCodec,
    subs: Arc<Mutex<HashMap<u64, SubscriptionSink>>>,
    n: Arc<AtomicU64>,
}

fn obj(v: Value) -> JsonObject {
    match v {
        Value::Object(m) => m,
        _ => unreachable!(),
    }
}
fn text(s: impl Into<String>) -> CallToolResponse {
    CallToolResult::success(vec![ContentBlock::text(s.into())]).into()
}
fn elicit(msg: &str, props: Value, req: Value) -> InputRequest {
    InputRequest::Elicitation(ElicitRequest::new(form(msg, json!({"type":"object","properties":props,"required":req}))))
}
fn form(msg: &str, schema: Value) -> ElicitRequestParams {
    ElicitRequestParams::FormElicitationParams {
        meta: None,
        message: msg.into(),
        requested_schema: serde_json::from_value(schema).expect("schema"),
    }
}
fn sampling(p: &str) -> InputRequest {
    InputRequest::CreateMessage(CreateMessageRequest::new(CreateMessageRequestParams::new(
        vec![SamplingMessage::user_text(p)],
        100,
    )))
}
fn roots() -> InputRequest {
    InputRequest::ListRoots(ListRootsRequest::default())
}
fn ask<const N: usize>(reqs: [(&str, InputRequest); N], state: Option<String>) -> CallToolResponse {
    InputRequiredResult::new(Some(reqs.into_iter().map(|(k, v)| (k.to_string(), v)).collect()), state).into()
}
fn answered<'a>(r: &'a Option<InputResponses>, k: &str) -> Option<&'a Value> {
    r.as_ref().and_then(|m| m.get(k)).filter(|v| v.is_object())
}

/// (name, input schema)
fn tools() -> Vec<Tool> {
    let none = || json!({"type":"object","properties":{}});
    let mut v: Vec<(&'static str, Value)> = [
        "test_simple_text",
        "test_image_content",
        "test_audio_content",
        "test_embedded_resource",
        "test_multiple_content_types",
        "test_tool_with_logging",
        "test_error_handling",
        "test_tool_with_progress",
        "test_elicitation_sep1034_defaults",
        "test_elicitation_sep1330_enums",
        "test_reconnection",
        "test_trigger_tool_change",
        "test_trigger_prompt_change",
        "test_missing_capability",
        "test_streaming_elicitation",
        "test_logging_tool",
        "test_input_required_result_elicitation",
        "test_input_required_result_sampling",
        "test_input_required_result_list_roots",
        "test_input_required_result_request_state",
        "test_input_required_result_tampered_state",
        "test_input_required_result_multiple_inputs",
        "test_input_required_result_multi_round",
        "test_input_required_result_capabilities",
    ]
    .into_iter()
    .map(|n| (n, none()))
    .collect();
    v.push(("greet", json!({"type":"object","properties":{"name":{"type":"string"}}})));
    v.push(("test_sampling", json!({"type":"object","properties":{"prompt":{"type":"string"}},"required":["prompt"]})));
    v.push(("test_elicitation", json!({"type":"object","properties":{"message":{"type":"string"}},"required":["message"]})));
    v.push((
        "test_custom_header",
        json!({"type":"object","properties":{"value":{"type":"string","x-mcp-header":"Value"}},"required":["value"]}),
    ));
    v.push(("json_schema_2020_12_tool", json!({"$schema":"https://json-schema.org/draft/2020-12/schema","type":"object",
        "$defs":{"address":{"$anchor":"address","type":"object","properties":{"street":{"type":"string"},"city":{"type":"string"}}}},
        "properties":{"name":{"type":"string"},"address":{"$ref":"#/$defs/address"}},
        "allOf":[{"anyOf":[{"required":["name"]},{"required":["address"]}]}],
        "if":{"required":["address"]},"then":{"properties":{"address":{"required":["street"]}}},"else":{"required":["name"]},"additionalProperties":false})));
    v.into_iter().map(|(n, s)| Tool::new(n, "conformance fixture", obj(s))).collect()
}

impl Fixture {
    pub fn new(core: Agents) -> Self {
        Self {
            core,
            codec: RequestStateCodec::try_new(b"fixture-fixture-fixture-fixture-".to_vec()).unwrap(),
            subs: Default::default(),
            n: Default::default(),
        }
    }
    fn seal(&self, v: Value) -> Option<String> {
        self.codec.seal_json(&v).ok()
    }
    fn open(&self, s: &str) -> Result<Value, ErrorData> {
        self.codec.open_json(s).map_err(|_| ErrorData::invalid_params("requestState failed verification", None))
    }
    fn sinks(&self) -> Vec<SubscriptionSink> {
        self.subs.lock().unwrap().values().cloned().collect()
    }

    async fn fixture_call(
        &self,
        r: CallToolRequestParams,
        c: &RequestContext<RoleServer>,
    ) -> Result<CallToolResponse, ErrorData> {
        let a = r.arguments.clone().unwrap_or_default();
        let ir = &r.input_responses;
        let str_prop = || json!({"name":{"type":"string"}});
        let res = |uri: &str, mime: &str, t: &str| ContentBlock::resource(ResourceContents::text(t, uri).with_mime_type(mime));
        Ok(match r.name.as_ref() {
            "test_simple_text" => text("This is a simple text response for testing."),
            "test_image_content" => CallToolResult::success(vec![ContentBlock::image(PNG, "image/png")]).into(),
            "test_audio_content" => {
                CallToolResult::success(vec![ContentBlock::Audio(AudioContent::new(WAV, "audio/wav"))]).into()
            }
            "test_embedded_resource" => CallToolResult::success(vec![res(
                "test://embedded-resource",
                "text/plain",
                "This is an embedded resource content.",
            )])
            .into(),
            "test_multiple_content_types" => CallToolResult::success(vec![
                ContentBlock::text("Multiple content types test:"),
                ContentBlock::image(PNG, "image/png"),
                res("test://mixed-content-resource", "application/json", r#"{"test":"data","value":123}"#),
            ])
            .into(),
            "test_error_handling" => {
                CallToolResult::error(vec![ContentBlock::text("This tool intentionally returns an error for testing")]).into()
            }
            "test_tool_with_logging" => {
                for m in ["Tool execution started", "Tool processing data", "Tool execution completed"] {
                    let _ =
                        c.peer.notify_logging_message(LoggingMessageNotificationParam::new(LoggingLevel::Info, json!(m))).await;
                    tokio::time::sleep(Duration::from_millis(50)).await;
                }
                text("done")
            }
            "test_logging_tool" => {
                if let Some(l) = c.meta.log_level() {
                    let _ = c.peer.notify_logging_message(LoggingMessageNotificationParam::new(l, json!("asked for"))).await;
                }
                text("done")
            }
            "test_tool_with_progress" => {
                if let Some(t) = c.meta.get_progress_token() {
                    for p in [0.0, 50.0, 100.0] {
                        let _ = c.peer.notify_progress(ProgressNotificationParam::new(t.clone(), p).with_total(100.0)).await;
                        tokio::time::sleep(Duration::from_millis(50)).await;
                    }
                }
                text("done")
            }
            "test_reconnection" => {
                tokio::time::sleep(Duration::from_millis(100)).await;
                text("Reconnection test completed")
            }
            "json_schema_2020_12_tool" | "test_custom_header" | "greet" => {
                text(format!("Hello, {}!", a.get("name").or(a.get("value")).and_then(Value::as_str).unwrap_or("friend")))
            }
            "test_trigger_tool_change" => {
                for s in self.sinks() {
                    let _ = s.notify_tool_list_changed().await;
                }
                text("ok")
            }
            "test_trigger_prompt_change" => {
                for s in self.sinks() {
                    let _ = s.notify_prompt_list_changed().await;
                }
                text("ok")
            }
            "test_missing_capability" => {
                if c.meta.client_capabilities().unwrap_or_default().sampling.is_none() {
                    return Err(ErrorData::missing_required_client_capability(
                        ClientCapabilities::builder().enable_sampling().build(),
                    ));
                }
                text("ok")
            }
            "test_streaming_elicitation" => ask([("v", elicit("Provide a value", str_prop(), json!(["name"])))], None),
            // ---- legacy (2025-11-25) server-initiated requests
            "test_sampling" => {
                let p = a.get("prompt").and_then(Value::as_str).unwrap_or("");
                match c.peer.create_message(CreateMessageRequestParams::new(vec![SamplingMessage::user_text(p)], 100)).await {
                    Ok(m) => text(format!(
                        "LLM response: {}",
                        m.message.content.first().and_then(|x| x.as_text()).map(|t| t.text.clone()).unwrap_or_default()
                    )),
                    Err(e) => CallToolResult::error(vec![ContentBlock::text(e.to_string())]).into(),
                }
            }
            "test_elicitation" | "test_elicitation_sep1034_defaults" | "test_elicitation_sep1330_enums" => {
                let s = match r.name.as_ref() {
                    "test_elicitation" => {
                        json!({"type":"object","properties":{"username":{"type":"string"},"email":{"type":"string"}},"required":["username","email"]})
                    }
                    "test_elicitation_sep1034_defaults" => {
                        json!({"type":"object","properties":{"name":{"type":"string","default":"John Doe"},"age":{"type":"integer","default":30},"score":{"type":"number","default":95.5},"status":{"type":"string","enum":["active","inactive","pending"],"default":"active"},"verified":{"type":"boolean","default":true}}})
                    }
                    _ => {
                        json!({"type":"object","properties":{"untitledSingle":{"type":"string","enum":["option1","option2","option3"]},
                        "titledSingle":{"type":"string","oneOf":[{"const":"value1","title":"First Option"},{"const":"value2","title":"Second Option"},{"const":"value3","title":"Third Option"}]},
                        "legacyEnum":{"type":"string","enum":["opt1","opt2","opt3"],"enumNames":["Option One","Option Two","Option Three"]},
                        "untitledMulti":{"type":"array","items":{"type":"string","enum":["option1","option2","option3"]}},
                        "titledMulti":{"type":"array","items":{"anyOf":[{"const":"value1","title":"First Choice"},{"const":"value2","title":"Second Choice"},{"const":"value3","title":"Third Choice"}]}}}})
                    }
                };
                match c.peer.create_elicitation(form(a.get("message").and_then(Value::as_str).unwrap_or("values?"), s)).await {
                    Ok(e) => text(format!(
                        "User response: action={}, content={}",
                        serde_json::to_value(&e.action).unwrap().as_str().unwrap_or(""),
                        e.content.unwrap_or(Value::Null)
                    )),
                    Err(e) => CallToolResult::error(vec![ContentBlock::text(e.to_string())]).into(),
                }
            }
            // ---- MRTR
            "test_input_required_result_elicitation" => match answered(ir, "user_name") {
                Some(v) => text(format!("Hello, {}!", v["content"]["name"].as_str().unwrap_or("friend"))),
                None => ask([("user_name", elicit("What is your name?", str_prop(), json!(["name"])))], None),
            },
            "test_input_required_result_sampling" => match answered(ir, "capital_question") {
                Some(v) => text(format!("Sampling response: {}", v["content"]["text"].as_str().unwrap_or(""))),
                None => ask([("capital_question", sampling("What is the capital of France?"))], None),
            },
            "test_input_required_result_list_roots" => match answered(ir, "client_roots") {
                Some(v) => text(format!("Client roots: {}", v["roots"])),
                None => ask([("client_roots", roots())], None),
            },
            "test_input_required_result_request_state" | "test_input_required_result_tampered_state" => {
                match r.request_state.as_deref() {
                    None => ask(
                        [("confirm", elicit("Please confirm", json!({"ok":{"type":"boolean"}}), json!(["ok"])))],
                        self.seal(json!({"s":1})),
                    ),
                    Some(s) => {
                        self.open(s)?;
                        text("Confirmed: state-ok")
                    }
                }
            }
            "test_input_required_result_multiple_inputs" => {
                if let Some(s) = r.request_state.as_deref() {
                    self.open(s)?;
                }
                if r.request_state.is_some()
                    && ["user_name", "greeting", "client_roots"].iter().all(|k| answered(ir, k).is_some())
                {
                    text("All inputs received")
                } else {
                    ask(
                        [
                            ("user_name", elicit("What is your name?", str_prop(), json!(["name"]))),
                            ("greeting", sampling("Generate a greeting")),
                            ("client_roots", roots()),
                        ],
                        self.seal(json!({"s":1})),
                    )
                }
            }
            "test_input_required_result_multi_round" => match r
                .request_state
                .as_deref()
                .map(|s| self.open(s))
                .transpose()?
                .map(|v| v["r"].as_i64().unwrap_or(0))
                .unwrap_or(0)
            {
                0 => ask(
                    [("step1", elicit("Step 1: What is your name?", str_prop(), json!(["name"])))],
                    self.seal(json!({"r":1})),
                ),
                1 => ask(
                    [("step2", elicit("Step 2: Favourite color?", json!({"color":{"type":"string"}}), json!(["color"])))],
                    self.seal(json!({"r":2})),
                ),
                _ => text("Multi-round flow complete"),
            },
            "test_input_required_result_capabilities" => {
                if ir.is_some() {
                    return Ok(text("ok"));
                }
                let caps = c.meta.client_capabilities().unwrap_or_default();
                let mut m = InputRequests::new();
                if caps.elicitation.is_some() {
                    m.insert("user_name".into(), elicit("What is your name?", str_prop(), json!(["name"])));
                }
                if caps.sampling.is_some() {
                    m.insert("greeting".into(), sampling("Generate a greeting"));
                }
                if caps.roots.is_some() {
                    m.insert("client_roots".into(), roots());
                }
                if m.is_empty() { text("nothing to ask") } else { InputRequiredResult::from_input_requests(m).into() }
            }
            _ => return self.core.call_tool(r, c.clone()).await,
        })
    }
}

impl ServerHandler for Fixture {
    fn get_info(&self) -> ServerConfig {
        let mut i = self.core.get_info();
        i.capabilities = ServerCapabilities::builder()
            .enable_tools()
            .enable_tool_list_changed()
            .enable_resources()
            .enable_resources_subscribe()
            .enable_prompts()
            .enable_prompts_list_changed()
            .enable_completions()
            .enable_logging()
            .enable_tasks()
            .build();
        i
    }
    fn get_tool(&self, name: &str) -> Option<Tool> {
        tools().into_iter().find(|t| t.name == name).or_else(|| self.core.get_tool(name))
    }
    async fn list_tools(
        &self,
        r: Option<PaginatedRequestParams>,
        c: RequestContext<RoleServer>,
    ) -> Result<ListToolsResult, ErrorData> {
        let mut l = self.core.list_tools(r, c).await?;
        l.tools.extend(tools());
        Ok(l)
    }
    async fn call_tool(&self, r: CallToolRequestParams, c: RequestContext<RoleServer>) -> Result<CallToolResponse, ErrorData> {
        self.fixture_call(r, &c).await
    }
    async fn list_resources(
        &self,
        r: Option<PaginatedRequestParams>,
        c: RequestContext<RoleServer>,
    ) -> Result<ListResourcesResult, ErrorData> {
        let mut l = self.core.list_resources(r, c).await?;
        l.resources.extend([
            Resource::new("test://static-text", "static text"),
            Resource::new("test://static-binary", "static binary"),
            Resource::new("test://watched-resource", "watched"),
        ]);
        Ok(l)
    }
    async fn list_resource_templates(
        &self,
        r: Option<PaginatedRequestParams>,
        c: RequestContext<RoleServer>,
    ) -> Result<ListResourceTemplatesResult, ErrorData> {
        let mut l = self.core.list_resource_templates(r, c).await?;
        l.resource_templates.push(ResourceTemplate::new("test://template/{id}/data", "template"));
        Ok(l)
    }
    async fn read_resource(
        &self,
        r: ReadResourceRequestParams,
        c: RequestContext<RoleServer>,
    ) -> Result<ReadResourceResponse, ErrorData> {
        let u = r.uri.clone();
        let one = |x: ResourceContents| {
            Ok(ReadResourceResult::new(vec![x]).with_ttl_ms(0).with_cache_scope(CacheScope::Private).into())
        };
        match u.as_str() {
            "test://static-text" => {
                one(ResourceContents::text("This is the content of the static text resource.", u).with_mime_type("text/plain"))
            }
            "test://static-binary" => one(ResourceContents::blob(PNG, u).with_mime_type("image/png")),
            "test://watched-resource" => one(ResourceContents::text("watched", u).with_mime_type("text/plain")),
            s if s.starts_with("test://template/") && s.ends_with("/data") => {
                let id = &s["test://template/".len()..s.len() - "/data".len()];
                one(ResourceContents::text(
                    json!({"id": id, "templateTest": true, "data": format!("Data for ID: {id}")}).to_string(),
                    s,
                )
                .with_mime_type("application/json"))
            }
            _ => self.core.read_resource(r, c).await,
        }
    }
    async fn list_prompts(
        &self,
        r: Option<PaginatedRequestParams>,
        c: RequestContext<RoleServer>,
    ) -> Result<ListPromptsResult, ErrorData> {
        let mut l = self.core.list_prompts(r, c).await?;
        let arg = |n: &str| PromptArgument::new(n).with_required(true).with_description("arg");
        l.prompts.extend([
            Prompt::new("test_simple_prompt", Some("fixture"), None),
            Prompt::new("test_prompt_with_arguments", Some("fixture"), Some(vec![arg("arg1"), arg("arg2")])),
            Prompt::new("test_prompt_with_embedded_resource", Some("fixture"), Some(vec![arg("resourceUri")])),
            Prompt::new("test_prompt_with_image", Some("fixture"), None),
            Prompt::new("test_input_required_result_prompt", Some("fixture"), None),
        ]);
        Ok(l)
    }
    async fn get_prompt(
        &self,
        r: GetPromptRequestParams,
        c: RequestContext<RoleServer>,
    ) -> Result<GetPromptResponse, ErrorData> {
        let g = |k: &str| {
            r.arguments
                .as_ref()
                .and_then(|a| a.get(k))
                .map(|v| v.as_str().map(str::to_owned).unwrap_or_else(|| v.to_string()))
                .unwrap_or_default()
        };
        let t = |s: String| PromptMessage::new_text(Role::User, s);
        Ok(match r.name.as_str() {
            "test_simple_prompt" => GetPromptResult::new(vec![t("This is a simple prompt for testing.".into())]).into(),
            "test_prompt_with_arguments" => {
                GetPromptResult::new(vec![t(format!("Prompt with arguments: arg1='{}', arg2='{}'", g("arg1"), g("arg2")))])
                    .into()
            }
            "test_prompt_with_embedded_resource" => GetPromptResult::new(vec![
                PromptMessage::new(
                    Role::User,
                    ContentBlock::resource(
                        ResourceContents::text("Embedded resource content for testing.", g("resourceUri"))
                            .with_mime_type("text/plain"),
                    ),
                ),
                t("Please process the embedded resource above.".into()),
            ])
            .into(),
            "test_prompt_with_image" => GetPromptResult::new(vec![
                PromptMessage::new(Role::User, ContentBlock::image(PNG, "image/png")),
                t("Please analyze the image above.".into()),
            ])
            .into(),
            "test_input_required_result_prompt" => match answered(&r.input_responses, "user_context") {
                Some(v) => GetPromptResult::new(vec![t(format!("Context: {}", v["content"]))]).into(),
                None => InputRequiredResult::from_input_requests(
                    [(
                        "user_context".to_string(),
                        elicit("Context?", json!({"context":{"type":"string"}}), json!(["context"])),
                    )]
                    .into_iter()
                    .collect(),
                )
                .into(),
            },
            _ => return self.core.get_prompt(r, c).await,
        })
    }
    async fn complete(&self, _r: CompleteRequestParams, _c: RequestContext<RoleServer>) -> Result<CompleteResult, ErrorData> {
        Ok(CompleteResult::new(
            CompletionInfo::with_all_values(vec!["paris".into(), "park".into(), "party".into()])
                .map_err(|e| ErrorData::internal_error(e, None))?,
        ))
    }
    async fn set_level(&self, _r: SetLevelRequestParams, _c: RequestContext<RoleServer>) -> Result<(), ErrorData> {
        Ok(())
    }
    async fn subscribe(&self, _r: SubscribeRequestParams, _c: RequestContext<RoleServer>) -> Result<(), ErrorData> {
        Ok(())
    }
    async fn unsubscribe(&self, _r: UnsubscribeRequestParams, _c: RequestContext<RoleServer>) -> Result<(), ErrorData> {
        Ok(())
    }
    fn accepted_subscription_filter(&self, r: &SubscriptionFilter) -> Option<SubscriptionFilter> {
        Some(r.supported_by(&self.get_info().capabilities))
    }
    async fn listen(&self, s: SubscriptionContext) -> Result<(), ErrorData> {
        let k = self.n.fetch_add(1, Ordering::Relaxed);
        self.subs.lock().unwrap().insert(k, s.sink().clone());
        s.cancelled().await;
        self.subs.lock().unwrap().remove(&k);
        Ok(())
    }
    async fn get_task(&self, p: GetTaskParams, c: RequestContext<RoleServer>) -> Result<GetTaskResult, ErrorData> {
        self.core.get_task(p, c).await
    }
    async fn update_task(&self, p: UpdateTaskParams, c: RequestContext<RoleServer>) -> Result<(), ErrorData> {
        self.core.update_task(p, c).await
    }
    async fn cancel_task(&self, p: CancelTaskParams, c: RequestContext<RoleServer>) -> Result<(), ErrorData> {
        self.core.cancel_task(p, c).await
    }
}
