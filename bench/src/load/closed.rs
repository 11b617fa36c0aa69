//! Closed loop: every connection sends its next request when it has the reply to the previous one. This measures the
//! maximum throughput.

use std::{
    cell::{Cell, RefCell},
    net::SocketAddr,
    rc::Rc,
    time::{Duration, Instant},
};

use anyhow::{Context, bail};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    task::LocalSet,
};

use super::{Histogram, template::Template, wire};
use crate::process::Server;

/// The parameters of a run.
#[derive(Clone, Debug)]
pub(crate) struct Closed {
    pub(crate) template: Template,
    pub(crate) connections: u64,
    pub(crate) warm_up: Duration,
    pub(crate) time: Duration,
}

/// The results of a run.
#[derive(Clone, Debug)]
pub(crate) struct Run {
    /// Requests answered with 200 per second.
    pub(crate) rate: f64,
    /// The server's CPU time per request, in microseconds.
    pub(crate) cpu_us: f64,
    pub(crate) times: Histogram,
}

/// The state that all connections of a run share.
struct Shared {
    next: Cell<u64>,
    measuring: Cell<bool>,
    over: Cell<bool>,
    refused: Cell<u64>,
    done: Cell<u64>,
    times: RefCell<Histogram>,
}

impl Closed {
    /// Runs it. `first` is the number of the first message.
    pub(crate) fn run(self, server: &Server, first: &mut u64) -> anyhow::Result<Run> {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()?;
        LocalSet::new().block_on(&runtime, self.measure(server, first))
    }

    async fn measure(self, server: &Server, first: &mut u64) -> anyhow::Result<Run> {
        let shared = Rc::new(Shared {
            next: Cell::new(*first),
            measuring: Cell::new(false),
            over: Cell::new(false),
            refused: Cell::new(0),
            done: Cell::new(0),
            times: RefCell::new(Histogram::new()),
        });
        let mut connections = Vec::new();
        for _ in 0..self.connections {
            let stream = connect(server.address).await?;
            connections.push(stream);
        }
        let loops: Vec<_> = connections
            .into_iter()
            .map(|stream| {
                let (shared, template) = (Rc::clone(&shared), self.template.clone());
                tokio::task::spawn_local(connection(stream, shared, template))
            })
            .collect();
        tokio::time::sleep(self.warm_up).await;
        let (cpu, start) = (server.cpu(), Instant::now());
        shared.measuring.set(true);
        tokio::time::sleep(self.time).await;
        shared.measuring.set(false);
        let (took, cpu) = (start.elapsed(), server.cpu().saturating_sub(cpu));
        shared.over.set(true);
        for each in loops {
            each.await.context("a connection's loop")??;
        }
        *first = shared.next.get();
        if shared.refused.get() > 0 || shared.done.get() == 0 {
            bail!(
                "{} answers were not 200, {} were",
                shared.refused.get(),
                shared.done.get()
            );
        }
        #[allow(clippy::cast_precision_loss, reason = "counts of a bench are small")]
        let done = shared.done.get() as f64;
        Ok(Run {
            rate: done / took.as_secs_f64(),
            cpu_us: cpu.as_secs_f64() * 1e6 / done,
            times: shared.times.take(),
        })
    }
}

impl Default for Histogram {
    fn default() -> Self {
        Self::new()
    }
}

async fn connect(address: SocketAddr) -> anyhow::Result<TcpStream> {
    let stream = TcpStream::connect(address).await.context("no connection")?;
    stream.set_nodelay(true)?;
    Ok(stream)
}

async fn connection(
    mut stream: TcpStream,
    shared: Rc<Shared>,
    mut template: Template,
) -> anyhow::Result<()> {
    let mut buffer = Vec::with_capacity(4096);
    while !shared.over.get() {
        let number = shared.next.get();
        shared.next.set(number + 1);
        let sent = Instant::now();
        stream.write_all(template.stamp(number)).await?;
        let status = reply(&mut stream, &mut buffer).await?;
        if status != 200 {
            shared.refused.set(shared.refused.get() + 1);
        } else if shared.measuring.get() {
            shared.done.set(shared.done.get() + 1);
            shared.times.borrow_mut().record(sent.elapsed());
        }
    }
    Ok(())
}

async fn reply(stream: &mut TcpStream, buffer: &mut Vec<u8>) -> anyhow::Result<u16> {
    buffer.clear();
    loop {
        if stream.read_buf(buffer).await? == 0 {
            bail!("the server closed a connection");
        }
        if let Some(message) = wire::message(buffer) {
            return Ok(message.status);
        }
    }
}

/// Sends this many requests, each on its own connection, and calls `look` while none of them is answered.
pub(crate) fn hold(
    server: &Server,
    route_template: &Template,
    count: u64,
    wait: Duration,
    look: impl FnOnce() -> u64,
) -> anyhow::Result<u64> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    runtime.block_on(async {
        let mut streams = Vec::new();
        let mut template = route_template.clone();
        for number in 0..count {
            let mut stream = connect(server.address).await?;
            stream.write_all(template.stamp(number)).await?;
            streams.push(stream);
        }
        tokio::time::sleep(wait).await;
        let seen = look();
        for stream in &streams {
            match stream.try_read(&mut [0; 1]) {
                Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => {}
                _ => bail!("a delivery did not wait"),
            }
        }
        Ok(seen)
    })
}
