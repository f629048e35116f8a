//! A browser to drive: headless Chromium, by its DevTools protocol over a WebSocket on our own loop.

use async_tungstenite::tungstenite::Message;
use async_tungstenite::{WebSocketStream, client_async};
use futures::StreamExt;
use runtime::net::TcpStream;
use runtime::time::{sleep, timeout};
use serde_json::{Value, json};
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

/// What the browsers are called from which one is taken.
const NAMES: [&str; 3] = ["chromium", "chromium-browser", "google-chrome"];

/// One browser with one page.
pub(crate) struct Browser {
    child: Child,
    profile: PathBuf,
    socket: WebSocketStream<TcpStream>,
    session: String,
    commands: u64,
}

impl Browser {
    /// Starts it. `None`: there is none on this machine.
    pub(crate) async fn start(test: &str) -> Option<Browser> {
        let profile = std::env::temp_dir().join(format!("glassloop-{}-{test}", std::process::id()));
        let started = NAMES.iter().find_map(|name| {
            Command::new(name)
                .args(["--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", "--remote-debugging-port=0"])
                // Keys and clicks count before the page was drawn for the first time, and small machines may share
                // little memory.
                .args(["--allow-pre-commit-input", "--disable-dev-shm-usage"])
                .arg(format!("--user-data-dir={}", profile.display()))
                .arg("about:blank")
                .stdin(Stdio::null())
                .stdout(Stdio::null())
                .stderr(Stdio::piped())
                .spawn()
                .ok()
        });
        let Some(mut child) = started else {
            crate::node::left_out(test, "chromium");
            return None;
        };
        let said = BufReader::new(child.stderr.take().expect("it is piped"));
        let mut lines = said.lines().map_while(Result::ok);
        let url = lines
            .find_map(|line| line.strip_prefix("DevTools listening on ").map(str::to_owned))
            .expect("the browser says where it listens");
        // It goes on talking, and must not wait for a reader.
        std::thread::spawn(move || lines.for_each(drop));
        let address = url.trim_start_matches("ws://").split('/').next().expect("host and port").to_owned();
        let stream = TcpStream::connect(address.as_str()).await.expect("it listens");
        let (socket, _) = client_async(&url, stream).await.expect("it speaks WebSocket");
        let mut browser = Browser { child, profile, socket, session: String::new(), commands: 0 };
        // It opens with a page, which may come after it listens, and is told of then.
        browser.command("Target.setDiscoverTargets", json!({ "discover": true })).await;
        let target = loop {
            let targets = browser.command("Target.getTargets", json!({})).await;
            let targets = targets["targetInfos"].as_array().expect("a list").clone();
            match targets.into_iter().find(|target| target["type"] == "page") {
                Some(target) => break target,
                None => while browser.hear().await["method"] != "Target.targetCreated" {},
            }
        };
        browser.command("Target.setDiscoverTargets", json!({ "discover": false })).await;
        let attach = json!({ "targetId": target["targetId"], "flatten": true });
        let attached = browser.command("Target.attachToTarget", attach).await;
        browser.session = attached["sessionId"].as_str().expect("a session").to_owned();
        browser.command("Page.enable", json!({})).await;
        Some(browser)
    }

    /// Sends a command and gives its result; events in between are passed over.
    pub(crate) async fn command(&mut self, method: &str, parameters: Value) -> Value {
        self.commands += 1;
        let mut message = json!({ "id": self.commands, "method": method, "params": parameters });
        if !self.session.is_empty() {
            message["sessionId"] = self.session.clone().into();
        }
        self.socket.send(Message::text(message.to_string())).await.expect("the browser listens");
        loop {
            let mut answer = self.hear().await;
            if answer["id"] == self.commands {
                assert!(answer["error"].is_null(), "{method}: {}", answer["error"]);
                return answer["result"].take();
            }
        }
    }

    /// What the browser says next: an answer, or an event.
    async fn hear(&mut self) -> Value {
        loop {
            let said = timeout(Duration::from_secs(240), self.socket.next()).await;
            let said = said.expect("the browser answers in time").expect("no end").expect("no error");
            if let Message::Text(text) = said {
                return serde_json::from_str(&text).expect("JSON");
            }
        }
    }

    /// The value of an expression in the page.
    pub(crate) async fn eval(&mut self, script: &str) -> Value {
        let ask = json!({ "expression": script, "returnByValue": true, "awaitPromise": true });
        let mut answer = self.command("Runtime.evaluate", ask).await;
        assert!(answer["exceptionDetails"].is_null(), "{script}: {}", answer["exceptionDetails"]);
        answer["result"]["value"].take()
    }

    /// The seconds of processor time that the page's thread has used, once `Performance.enable` asked for its ticks.
    pub(crate) async fn busy(&mut self) -> f64 {
        let answer = self.command("Performance.getMetrics", json!({})).await;
        let metrics = answer["metrics"].as_array().expect("a list");
        let task = metrics.iter().find(|metric| metric["name"] == "TaskDuration").expect("it is among them");
        task["value"].as_f64().expect("seconds")
    }

    /// The text of the element with this id.
    pub(crate) async fn text(&mut self, id: &str) -> String {
        let text = self.eval(&format!("document.getElementById('{id}').textContent")).await;
        text.as_str().expect("a text").to_owned()
    }

    /// Opens a page that was written to a file.
    pub(crate) async fn open(&mut self, path: &Path) {
        self.goto(&format!("file://{}", path.display())).await;
    }

    /// Opens an address and waits until the page stands.
    pub(crate) async fn goto(&mut self, url: &str) {
        self.command("Page.navigate", json!({ "url": "about:blank" })).await;
        self.command("Page.navigate", json!({ "url": url })).await;
        // The page tells when it stands; until then there is nothing to wait for but time.
        for _ in 0..24_000 {
            if self.eval("document.readyState === 'complete' && typeof app === 'object'").await == true {
                return;
            }
            sleep(Duration::from_millis(10)).await;
        }
        panic!("{url} does not open");
    }

    /// Presses a key: `ArrowRight`, `p`, `Shift+ArrowLeft`.
    pub(crate) async fn key(&mut self, name: &str) {
        let (shift, key) = name.strip_prefix("Shift+").map_or((false, name), |key| (true, key));
        let mut event = json!({ "type": "keyDown", "key": key, "modifiers": if shift { 8 } else { 0 } });
        if key.chars().count() == 1 {
            event["text"] = key.into();
        }
        self.command("Input.dispatchKeyEvent", event.clone()).await;
        event["type"] = "keyUp".into();
        self.command("Input.dispatchKeyEvent", event).await;
    }

    /// Clicks into the middle of the first element that the selector finds.
    pub(crate) async fn click(&mut self, selector: &str) {
        let middle = format!(
            "(() => {{ const it = document.querySelector(`{selector}`).getBoundingClientRect();
             return [it.left + it.width / 2, it.top + it.height / 2]; }})()"
        );
        let at = self.eval(&middle).await;
        for kind in ["mousePressed", "mouseReleased"] {
            let event = json!({ "type": kind, "x": at[0], "y": at[1], "button": "left", "clickCount": 1 });
            self.command("Input.dispatchMouseEvent", event).await;
        }
    }

    /// Makes the window this wide and high, and light or dark.
    pub(crate) async fn look(&mut self, width: u32, height: u32, scheme: &str) {
        let metrics = json!({ "width": width, "height": height, "deviceScaleFactor": 1, "mobile": false });
        self.command("Emulation.setDeviceMetricsOverride", metrics).await;
        self.media("screen", "prefers-color-scheme", scheme).await;
    }

    /// What the page is shown on, and one of the reader's preferences.
    pub(crate) async fn media(&mut self, media: &str, preference: &str, value: &str) {
        let features = json!({ "media": media, "features": [{ "name": preference, "value": value }] });
        self.command("Emulation.setEmulatedMedia", features).await;
    }

    /// What is seen when nothing moves any more, without the bars that scroll it, as a PNG.
    pub(crate) async fn picture(&mut self) -> Vec<u8> {
        self.command("Emulation.setScrollbarsHidden", json!({ "hidden": true })).await;
        let stands = "new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))
            .then(() => Promise.all(document.getAnimations().map((it) => it.finished))).then(() => true)";
        self.eval(stands).await;
        let answer = self.command("Page.captureScreenshot", json!({})).await;
        self.command("Emulation.setScrollbarsHidden", json!({ "hidden": false })).await;
        from_base64(answer["data"].as_str().expect("a picture"))
    }
}

/// The bytes behind a text in base64: four letters are three bytes.
fn from_base64(text: &str) -> Vec<u8> {
    let value = |letter: u8| match letter {
        b'A'..=b'Z' => letter - b'A',
        b'a'..=b'z' => letter - b'a' + 26,
        b'0'..=b'9' => letter - b'0' + 52,
        b'+' => 62,
        _ => 63,
    };
    let letters: Vec<u8> = text.bytes().filter(|letter| *letter != b'=').map(value).collect();
    let bytes = letters.chunks(4).flat_map(|four| {
        let bits = four.iter().fold(0_u32, |bits, letter| bits << 6 | u32::from(*letter)) << (6 * (4 - four.len()));
        bits.to_be_bytes().into_iter().skip(1).take(four.len() - 1)
    });
    bytes.collect()
}

impl Drop for Browser {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        let _ = std::fs::remove_dir_all(&self.profile);
    }
}
