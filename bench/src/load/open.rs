//! Open loop: requests are due at fixed times, whether or not earlier ones were answered, and their time counts from when
//! they were due. So a server that stalls is charged for all who had to wait.
//!
//! With threads: their sleep is exact to some 60 µs, the async runtime's timer to a millisecond.

use std::{
    io::{Read, Write},
    net::{SocketAddr, TcpStream},
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context, bail};

use super::{Histogram, template::Template, wire};

/// What to do.
#[derive(Clone, Debug)]
pub(crate) struct Open {
    pub(crate) template: Template,
    /// Threads, each with a connection of its own.
    pub(crate) connections: u32,
    /// Requests in a second, all connections together.
    pub(crate) rate: u32,
    pub(crate) time: Duration,
}

impl Open {
    pub(crate) fn run(&self, address: SocketAddr, first: &mut u64) -> anyhow::Result<Histogram> {
        let start = Instant::now() + Duration::from_millis(50);
        let gap = Duration::from_secs(1) / self.rate;
        let threads: Vec<_> = (0..self.connections)
            .map(|place| {
                let (this, offset) = (self.clone(), *first + u64::from(place));
                thread::spawn(move || {
                    let first_due = start + gap * place;
                    this.connection(address, first_due, gap * this.connections, offset)
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
        *first += u64::from(self.rate) * self.time.as_secs().max(1) + 10_000;
        Ok(times)
    }

    fn connection(
        &self,
        address: SocketAddr,
        first_due: Instant,
        gap: Duration,
        mut number: u64,
    ) -> anyhow::Result<Histogram> {
        let mut stream = TcpStream::connect(address).context("no connection")?;
        stream.set_nodelay(true)?;
        let mut template = self.template.clone();
        let mut times = Histogram::new();
        let mut buffer = Vec::new();
        let mut due = first_due;
        while due < first_due + self.time {
            thread::sleep(due.saturating_duration_since(Instant::now()));
            stream.write_all(template.stamp(number))?;
            if reply(&mut stream, &mut buffer)? != 200 {
                bail!("an answer was not 200");
            }
            times.record(due.elapsed());
            due += gap;
            number += u64::from(self.connections);
        }
        Ok(times)
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
