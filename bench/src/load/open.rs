//! Open loop: requests are due at fixed times, whether or not earlier ones were answered, and their time counts from when
//! they were due. So the delay of a server that stalls counts for all requests that had to wait.
//!
//! It uses threads, because their sleep is exact to about 60 µs, but the async runtime's timer only to a millisecond.

use std::{
    io::{Read, Write},
    net::{SocketAddr, TcpStream},
    sync::{Arc, Barrier},
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context, bail};

use super::{Histogram, template::Template, wire};

/// The parameters of a run.
#[derive(Clone, Debug)]
pub(crate) struct Open {
    pub(crate) template: Template,
    /// Threads, each with its own connection.
    pub(crate) connections: u32,
    /// Requests per second, over all connections.
    pub(crate) rate: u32,
    /// Requests due before this time has passed do not count.
    pub(crate) warm_up: Duration,
    pub(crate) time: Duration,
}

impl Open {
    pub(crate) fn run(&self, address: SocketAddr, first: &mut u64) -> anyhow::Result<Histogram> {
        // The clock starts when all threads are running, because starting them uses the processors that the server needs.
        let ready = Arc::new(Barrier::new(self.connections as usize));
        let threads: Vec<_> = (0..self.connections)
            .map(|place| {
                let (this, ready) = (self.clone(), Arc::clone(&ready));
                let first = *first + u64::from(place);
                thread::spawn(move || {
                    let connection = Connection::open(address, this.template.clone());
                    ready.wait();
                    this.keep_to_the_clock(connection?, place, first)
                })
            })
            .collect();
        let mut times = Histogram::new();
        for each in threads {
            let Ok(part) = each.join() else {
                bail!("a connection's thread panicked");
            };
            times.add(&part?);
        }
        // More than were sent.
        *first += u64::from(self.rate) * ((self.warm_up + self.time).as_secs() + 1) + 10_000;
        Ok(times)
    }

    fn keep_to_the_clock(
        &self,
        mut connection: Connection,
        place: u32,
        mut number: u64,
    ) -> anyhow::Result<Histogram> {
        let gap = Duration::from_secs(1) / self.rate;
        let start = Instant::now() + Duration::from_millis(5) + gap * place;
        let (counted, end) = (start + self.warm_up, start + self.warm_up + self.time);
        let mut times = Histogram::new();
        let mut due = start;
        while due < end {
            thread::sleep(due.saturating_duration_since(Instant::now()));
            if connection.ask(number)? != 200 {
                bail!("an answer was not 200");
            }
            if due >= counted {
                times.record(due.elapsed());
            }
            due += gap * self.connections;
            number += u64::from(self.connections);
        }
        Ok(times)
    }
}

struct Connection {
    stream: TcpStream,
    template: Template,
    buffer: Vec<u8>,
}

impl Connection {
    fn open(address: SocketAddr, template: Template) -> anyhow::Result<Self> {
        let stream = TcpStream::connect(address).context("no connection")?;
        stream.set_nodelay(true)?;
        Ok(Self {
            stream,
            template,
            buffer: Vec::new(),
        })
    }

    /// Sends a request and returns the status of the reply.
    fn ask(&mut self, number: u64) -> anyhow::Result<u16> {
        self.stream.write_all(self.template.stamp(number))?;
        reply(&mut self.stream, &mut self.buffer)
    }
}

fn reply(stream: &mut TcpStream, buffer: &mut Vec<u8>) -> anyhow::Result<u16> {
    buffer.clear();
    let mut chunk = [0; 4096];
    loop {
        let read = stream.read(&mut chunk)?;
        if read == 0 {
            bail!("the server closed a connection");
        }
        buffer.extend_from_slice(chunk.get(..read).unwrap_or_default());
        if let Some(message) = wire::message(buffer) {
            return Ok(message.status);
        }
    }
}
