//! Turns events into lines: the layer that receives them, limits them, and passes them to the sink for stderr.

use std::{
    borrow::Cow,
    fs::File,
    io::{self, Write},
    os::fd::AsFd,
    panic::{self, PanicHookInfo},
    sync::{
        Mutex, OnceLock, PoisonError, TryLockError,
        atomic::{AtomicU64, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use serde_json::Value;
use tracing::{
    Event, Level, Subscriber,
    span::{Attributes, Id, Record},
};
use tracing_subscriber::{
    Layer,
    layer::Context,
    registry::{LookupSpan, Scope},
};

use super::{limiter::Limiter, line::Line, sink::Sink};
use crate::{Dialect, LogFormat, trace};

/// Panics in this process since it started.
static PANICS: AtomicU64 = AtomicU64::new(0);

/// The process's logger, once logging has started.
static LOGGER: OnceLock<Logger> = OnceLock::new();

/// The state that all lines share.
struct Logger {
    format: LogFormat,
    dialect: Dialect,
    limiter: Mutex<Limiter>,
}

impl Logger {
    fn log(&self, line: Line) {
        let mut limiter = self.limiter.lock().unwrap_or_else(PoisonError::into_inner);
        let admitted = limiter.admit(line, Instant::now());
        drop(limiter);
        self.write(admitted);
    }

    /// Like [`Self::log`], for a thread that has panicked and may itself hold the limiter's lock.
    fn log_panic(&self, line: Line) {
        let admitted = match self.limiter.try_lock() {
            Ok(mut limiter) => limiter.admit(line, Instant::now()),
            Err(TryLockError::Poisoned(limiter)) => {
                limiter.into_inner().admit(line, Instant::now())
            }
            Err(TryLockError::WouldBlock) => Some(line),
        };
        self.write(admitted);
    }

    /// Writes the lines that the limiter releases.
    fn write_from(&self, take: impl FnOnce(&mut Limiter) -> Vec<Line>) {
        let lines = take(&mut self.limiter.lock().unwrap_or_else(PoisonError::into_inner));
        self.write(lines);
    }

    fn write(&self, lines: impl IntoIterator<Item = Line>) {
        for line in lines {
            stderr().push(line.render(self.format, &self.dialect));
        }
    }
}

/// Creates the process's logger, unless it exists.
pub(super) fn start(format: LogFormat, dialect: &Dialect) {
    LOGGER.get_or_init(|| Logger {
        format,
        dialect: dialect.clone(),
        limiter: Mutex::default(),
    });
}

/// Writes the lines that the limiter still holds back.
pub(super) fn write_rest() {
    if let Some(logger) = LOGGER.get() {
        logger.write_from(Limiter::rest);
    }
}

fn write_due() {
    if let Some(logger) = LOGGER.get() {
        logger.write_from(|limiter| limiter.due(Instant::now()));
    }
}

static STDOUT: OnceLock<Sink> = OnceLock::new();
static STDERR: OnceLock<Sink> = OnceLock::new();

/// The sink of stdout.
pub(super) fn stdout() -> &'static Sink {
    STDOUT.get_or_init(|| Sink::start("stdout", owned(io::stdout()), || {}))
}

/// The sink of stderr.
pub(super) fn stderr() -> &'static Sink {
    STDERR.get_or_init(|| Sink::start("stderr", owned(io::stderr()), write_due))
}

/// Flushes the sinks that were used, each for at most `limit`.
pub(super) fn flush(limit: Duration) {
    for sink in [STDERR.get(), STDOUT.get()].into_iter().flatten() {
        sink.flush(limit);
    }
}

/// A separate handle for a stream: a thread that blocks on it does not hold the standard library's lock.
fn owned(stream: impl AsFd + Write + Send + 'static) -> Box<dyn Write + Send> {
    match stream.as_fd().try_clone_to_owned() {
        Ok(own) => Box::new(File::from(own)),
        Err(_) => Box::new(stream),
    }
}

/// Panics in this process since it started, once [`log_panics`] was called.
pub(super) fn panics() -> u64 {
    PANICS.load(Ordering::Relaxed)
}

/// From now on every panic is counted and logged like any other event, without blocking and without panicking again.
pub(super) fn log_panics() {
    panic::set_hook(Box::new(|panic| {
        PANICS.fetch_add(1, Ordering::Relaxed);
        let line = line_of(panic);
        match LOGGER.get() {
            Some(logger) => logger.log_panic(line),
            None => stderr().push(line.render(LogFormat::Text, &Dialect::Plain)),
        }
    }));
}

fn line_of(panic: &PanicHookInfo<'_>) -> Line {
    let mut line = Line::new(Level::ERROR, module_path!());
    line.message("panic");
    line.field("cause", panic.payload_as_str().unwrap_or("not text"));
    if let Some(location) = panic.location() {
        line.field("location", location.to_string());
    }
    line.field("thread", thread::current().name().unwrap_or("unnamed"));
    line
}

/// The layer that turns events into lines.
pub(super) struct Lines;

/// The fields that a span adds to the lines within it.
struct SpanFields(Vec<(Cow<'static, str>, Value)>);

impl<S> Layer<S> for Lines
where
    S: Subscriber + for<'a> LookupSpan<'a>,
{
    fn on_new_span(&self, attributes: &Attributes<'_>, id: &Id, context: Context<'_, S>) {
        if let Some(span) = context.span(id) {
            let mut line = Line::new(Level::TRACE, "");
            attributes.record(&mut line);
            span.extensions_mut().insert(SpanFields(line.into_fields()));
        }
    }

    fn on_record(&self, id: &Id, values: &Record<'_>, context: Context<'_, S>) {
        if let Some(span) = context.span(id)
            && let Some(SpanFields(fields)) = span.extensions_mut().get_mut()
        {
            let mut line = Line::new(Level::TRACE, "");
            values.record(&mut line);
            fields.extend(line.into_fields());
        }
    }

    fn on_event(&self, event: &Event<'_>, context: Context<'_, S>) {
        let Some(logger) = LOGGER.get() else {
            return;
        };
        let metadata = event.metadata();
        let mut line = Line::new(*metadata.level(), metadata.target());
        event.record(&mut line);
        line.trace = trace::current().map(|scope| scope.context().parent);
        for span in context
            .event_scope(event)
            .into_iter()
            .flat_map(Scope::from_root)
        {
            if let Some(SpanFields(fields)) = span.extensions().get() {
                fields
                    .iter()
                    .for_each(|(name, value)| line.field(name.clone(), value.clone()));
            }
        }
        logger.log(line);
    }
}
