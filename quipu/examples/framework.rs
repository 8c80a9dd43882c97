//! A small framework over GraphQL: it takes offers, launches its tasks on them, and leaves when all have finished.
//!
//! ```text
//! cargo run -p quipu --example framework -- http://127.0.0.1:7070 tiny 6
//! ```
//!
//! It keeps no state that it could not read again: what it launched, what runs and what finished are
//! all events, and `since` takes them up where it left.

use std::collections::BTreeSet;

use anyhow::{Context, Result, bail};
use futures_util::{SinkExt, StreamExt};
use serde_json::{Value, json};
use tokio_tungstenite::{
    MaybeTlsStream, WebSocketStream, connect_async,
    tungstenite::{Message, client::IntoClientRequest},
};

const NEEDS: &str = "cpu=0.1 mem=16Mi";

struct Framework {
    gateway: String,
    name: String,
    wanted: usize,
    launched: usize,
    finished: BTreeSet<String>,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<()> {
    let [gateway, name, wanted] = <[String; 3]>::try_from(std::env::args().skip(1).collect::<Vec<_>>())
        .ok()
        .context("usage: framework GATEWAY NAME TASKS")?;
    let mut framework = Framework { gateway, name, wanted: wanted.parse()?, launched: 0, finished: BTreeSet::new() };
    let mut events = framework.follow().await?;
    framework.say("subscribeFramework", "SubscribeFrameworkInput", json!({}))?;
    println!("{}: subscribed, waiting for offers", framework.name);
    while framework.finished.len() < framework.wanted {
        for event in next_events(&mut events).await? {
            framework.take(&event)?;
        }
    }
    framework.say("teardownFramework", "TeardownFrameworkInput", json!({}))?;
    println!("{}: all {} tasks have finished, and every offer is given back", framework.name, framework.wanted);
    Ok(())
}

impl Framework {
    fn take(&mut self, event: &Value) -> Result<()> {
        match event["name"].as_str() {
            Some("offer.made") => self.answer(event),
            Some("task.status_changed") if event["body"]["state"] == "finished" => {
                let task = event["task"].as_str().unwrap_or_default();
                println!("{}: {task} finished", self.name);
                self.finished.insert(task.to_owned());
                Ok(())
            }
            _ => Ok(()),
        }
    }

    /// Launches at most half of what is left on one offer, so that there is something to see.
    fn answer(&mut self, offer: &Value) -> Result<()> {
        let id = offer["offer"].as_str().context("an offer has an id")?;
        let count = (self.wanted - self.launched).div_ceil(2);
        if count == 0 {
            self.say("declineOffers", "DeclineOffersInput", json!({ "offers": [id], "filterMs": "60000" }))?;
            return Ok(());
        }
        let launches: Vec<_> = (self.launched..self.launched + count)
            .map(|n| json!({ "name": format!("t{n}"), "resources": NEEDS, "command": ["sh", "-c", "sleep 0.2"] }))
            .collect();
        let input = json!({ "offers": [id], "launches": launches, "filterMs": "0", "causedBy": offer["offset"] });
        if self.say("acceptOffers", "AcceptOffersInput", input)? {
            println!("{}: took {id} of agent {}, launched {count}", self.name, offer["agent"].as_str().unwrap_or("?"));
            self.launched += count;
        }
        Ok(())
    }

    /// Sends a command; says whether the cell said yes. An offer may be gone by the time it is answered.
    fn say(&self, mutation: &str, input_type: &str, mut input: Value) -> Result<bool> {
        input["framework"] = json!(self.name);
        let query = format!(
            "mutation($input: {input_type}!) {{ {mutation}(input: $input) {{ userErrors {{ code message }} }} }}"
        );
        let mut response = ureq::post(format!("{}/graphql", self.gateway))
            .header("x-quipu-principal", &self.name)
            .send_json(json!({ "query": query, "variables": { "input": input } }))?;
        let answer: Value = response.body_mut().read_json()?;
        if let Some(error) = answer["errors"].get(0) {
            bail!("{mutation}: {error}");
        }
        let refusal = &answer["data"][mutation]["userErrors"][0];
        if !refusal.is_null() {
            println!("{}: {mutation} was refused: {}", self.name, refusal["message"]);
        }
        Ok(refusal.is_null())
    }

    /// Follows this framework's own events, from now on.
    async fn follow(&self) -> Result<Socket> {
        let mut request = format!("{}/graphql", self.gateway.replacen("http", "ws", 1)).into_client_request()?;
        request.headers_mut().insert("sec-websocket-protocol", "graphql-transport-ws".parse()?);
        let (mut socket, _) = connect_async(request).await?;
        socket.send(Message::text(json!({ "type": "connection_init" }).to_string())).await?;
        let query = "subscription($framework: String!) { events(since: \"now\", filter: { framework: $framework }) \
                     { name offset offer task agent body } }";
        let payload = json!({ "query": query, "variables": { "framework": self.name } });
        let subscribe = json!({ "id": "1", "type": "subscribe", "payload": payload });
        // The acknowledgement comes first; a server that knows the protocol answers it before all else.
        let ack = socket.next().await.context("the gateway closed the socket")??;
        if !ack.to_text()?.contains("connection_ack") {
            bail!("expected an acknowledgement, got {ack}");
        }
        socket.send(Message::text(subscribe.to_string())).await?;
        Ok(socket)
    }
}

type Socket = WebSocketStream<MaybeTlsStream<tokio::net::TcpStream>>;

/// The events of the next message.
async fn next_events(socket: &mut Socket) -> Result<Vec<Value>> {
    loop {
        let message = socket.next().await.context("the gateway closed the socket")??;
        let Message::Text(text) = message else { continue };
        let message: Value = serde_json::from_str(&text)?;
        match message["type"].as_str() {
            Some("next") => return Ok(message["payload"]["data"]["events"].as_array().cloned().unwrap_or_default()),
            Some("ping") => socket.send(Message::text(json!({ "type": "pong" }).to_string())).await?,
            Some("error" | "complete") => bail!("the stream ended: {message}"),
            _ => {}
        }
    }
}
