//! A headless Chromium that shows one page, driven through `chromedriver`.

use std::{
    env, fs,
    panic::{AssertUnwindSafe, resume_unwind},
    process::Stdio,
};

use base64::{Engine, engine::general_purpose::STANDARD};
use fantoccini::{Client, ClientBuilder, Locator, elements::Element};
use futures::FutureExt;
use hyper_util::client::legacy::connect::HttpConnector;
use otel_messaging_view::{Spans, Traces};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::{
    io::{AsyncBufReadExt, BufReader},
    process::{Child, Command},
};

/// The variable that says where the driver is. `cargo xtask test` sets it.
const DRIVER: &str = "OTEL_MESSAGING_CHROMEDRIVER";

/// A page in the browser.
pub(crate) struct Page {
    pub(crate) client: Client,
    directory: TempDir,
}

/// Options of a browser.
#[derive(Clone, Copy)]
pub(crate) struct Window {
    pub(crate) width: u32,
    pub(crate) height: u32,
    pub(crate) is_dark: bool,
}

impl Default for Window {
    fn default() -> Self {
        Self { width: 1400, height: 900, is_dark: false }
    }
}

/// Writes the page of these spans, opens it and runs a test on it. The browser ends with the test,
/// also if that fails.
pub(crate) async fn browse(spans: Spans, test: impl AsyncFnOnce(&Page)) {
    browse_in(Window::default(), spans, test).await;
}

/// Does the same in another window.
pub(crate) async fn browse_in(window: Window, spans: Spans, test: impl AsyncFnOnce(&Page)) {
    let html = Traces::new(spans).html("Orders");
    let (mut driver, client) = start(window).await;
    let page = Page { client: client.clone(), directory: TempDir::new().unwrap() };
    fs::write(page.directory.path().join("page.html"), html).unwrap();
    let tested = async {
        page.open("").await;
        test(&page).await;
    };
    let outcome = AssertUnwindSafe(tested).catch_unwind().await;
    // Ends the browser, which would outlive its driver.
    client.close().await.unwrap();
    driver.kill().await.unwrap();
    if let Err(panic) = outcome {
        resume_unwind(panic);
    }
}

async fn start(Window { width, height, is_dark }: Window) -> (Child, Client) {
    let named = env::var(DRIVER).ok().filter(|it| !it.is_empty());
    let program = named.unwrap_or_else(|| "chromedriver".into());
    let mut command = Command::new(&program);
    command.arg("--port=0").stdout(Stdio::piped()).kill_on_drop(true);
    let mut driver = command.spawn().unwrap_or_else(|error| {
        panic!(
            "{program} could not be started: {error}; `cargo xtask browser` installs Chromium and \
             its driver or says how, and {DRIVER} names another driver"
        )
    });
    // `ChromeDriver was started successfully on port 41423.`
    let mut lines = BufReader::new(driver.stdout.take().unwrap()).lines();
    let port = loop {
        let line = lines.next_line().await.unwrap().expect("chromedriver ended without a port");
        if let Some((_, port)) = line.split_once("successfully on port ") {
            break port.trim_end_matches('.').to_owned();
        }
    };
    let size = format!("--window-size={width},{height}");
    // Root has no sandbox, and containers have little shared memory.
    let mut args = vec!["--headless=new", "--no-sandbox", "--disable-dev-shm-usage", &size];
    args.extend(["--hide-scrollbars", "--lang=en"]);
    args.extend(is_dark.then_some("--force-dark-mode"));
    let mut capabilities = serde_json::Map::new();
    capabilities.insert("goog:chromeOptions".into(), json!({ "args": args }));
    let client = ClientBuilder::new(HttpConnector::new())
        .capabilities(capabilities)
        .connect(&format!("http://127.0.0.1:{port}"))
        .await
        .unwrap();
    (driver, client)
}

impl Page {
    /// Opens the page at an address, anew.
    pub(crate) async fn open(&self, hash: &str) {
        let path = self.directory.path().join("page.html");
        self.client.goto("about:blank").await.unwrap();
        self.client.goto(&format!("file://{}{hash}", path.display())).await.unwrap();
        self.wait("performance.getEntriesByName('drawn').length").await;
    }

    /// Returns what an expression of JavaScript is.
    pub(crate) async fn eval(&self, expression: &str) -> Value {
        self.client.execute(&format!("return {expression}"), vec![]).await.unwrap()
    }

    /// Returns a text that an expression of JavaScript is.
    pub(crate) async fn text(&self, expression: &str) -> String {
        self.eval(expression).await.as_str().unwrap_or_default().to_owned()
    }

    /// Waits until an expression of JavaScript is true, frame by frame.
    pub(crate) async fn wait(&self, expression: &str) {
        let script = format!(
            "const done = arguments[0], start = Date.now();
             (function look() {{
                 if ({expression}) done(true);
                 else if (Date.now() - start > 20000) done(false);
                 else requestAnimationFrame(look);
             }})()"
        );
        let came = self.client.execute_async(&script, vec![]).await.unwrap();
        let shown = "document.querySelector('main').innerText.slice(0, 2000)";
        assert_eq!(came, true, "waited for {expression}; shown is\n{}", self.text(shown).await);
    }

    pub(crate) async fn find(&self, css: &str) -> Element {
        self.client.find(Locator::Css(css)).await.unwrap()
    }

    pub(crate) async fn click(&self, css: &str) {
        self.find(css).await.click().await.unwrap();
    }

    /// Presses keys where the focus is.
    pub(crate) async fn press(&self, keys: &str) {
        self.client.active_element().await.unwrap().send_keys(keys).await.unwrap();
    }

    /// Takes a picture of the window and leaves the page: WebP, a fifth of the size of PNG.
    pub(crate) async fn picture(&self) -> Vec<u8> {
        let png = STANDARD.encode(self.client.screenshot().await.unwrap());
        self.client.goto("about:blank").await.unwrap();
        let script = "const image = new Image();
            image.onload = () => {
                const canvas = document.createElement('canvas');
                [canvas.width, canvas.height] = [image.width, image.height];
                canvas.getContext('2d').drawImage(image, 0, 0);
                arguments[1](canvas.toDataURL('image/webp', 0.9).split(',')[1]);
            };
            image.src = 'data:image/png;base64,' + arguments[0]";
        let webp = self.client.execute_async(script, vec![png.into()]).await.unwrap();
        STANDARD.decode(webp.as_str().unwrap()).unwrap()
    }

    /// Returns the name of the span that is shown on the right, and its service.
    pub(crate) async fn shown(&self) -> String {
        let name = self.text("document.querySelector('#details h2 .name')?.textContent").await;
        let service = "document.querySelector('#details .where .service')?.textContent";
        format!("{name} of {}", self.text(service).await)
    }

    /// Returns the row that the keyboard is on, as its text.
    pub(crate) async fn row(&self) -> String {
        let row = "document.getElementById(document.querySelector('#rows .scroller')\
                   .getAttribute('aria-activedescendant'))?.innerText.replace(/\\s+/g, ' ').trim()";
        self.text(row).await
    }
}
