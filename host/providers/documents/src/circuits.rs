//! The interface `circuits`: a circuit is a document that is replaced while nobody else has changed it.

use async_trait::async_trait;
use twin_capabilities::{
    Circuits, Failure,
    circuits::{Circuit, SwapFailure},
    provider::millis,
};

use crate::{
    document::{Address, Created, Document, Fields, Index, Missing, Range, Stored, Table},
    documents::Documents,
    names,
    store::{DocumentStore, Inner, unreadable},
};

/// How many circuits are shown in the metrics: more than any twin has peers.
const SHOWN: u32 = 100;

#[async_trait]
impl<D: Documents> Circuits for DocumentStore<D> {
    async fn load(&self, name: String) -> Result<Circuit, Failure> {
        self.inner.circuit(&name).await.map(|(circuit, _)| circuit)
    }

    async fn compare_and_swap(
        &self,
        name: String,
        expected_version: u64,
        state: String,
    ) -> Result<Circuit, SwapFailure> {
        self.to_the_end(|inner| async move { inner.swap(name, expected_version, state).await })
            .await
    }
}

impl<D: Documents> Inner<D> {
    async fn swap(
        &self,
        name: String,
        expected_version: u64,
        state: String,
    ) -> Result<Circuit, SwapFailure> {
        let (current, stored) = self.circuit(&name).await?;
        if current.version != expected_version {
            return Err(SwapFailure::Conflict(current));
        }
        let Ok(version) = i64::try_from(expected_version.saturating_add(1)) else {
            return Err(Failure::Other("a circuit without further versions".to_owned()).into());
        };
        let document = Document {
            address: self.circuit_address(&name),
            order: names::place_of_name(&name),
            queue: None,
            expires_at: None,
            fields: Fields::default()
                .text("name", name.clone())
                .number("version", version)
                .text("state", state.clone()),
        };
        let swapped = match stored {
            Some(stored) => self.documents.replace(document, &stored.tag).await?,
            None => matches!(self.documents.create(document).await?, Created::New),
        };
        if swapped {
            return Ok(self.shown(version.unsigned_abs(), state));
        }
        let (winner, _) = self.circuit(&name).await?;
        Err(SwapFailure::Conflict(winner))
    }

    /// A circuit, and its document if it was ever stored.
    async fn circuit(&self, name: &str) -> Result<(Circuit, Option<Stored>), Failure> {
        let found = self.documents.get(&self.circuit_address(name)).await?;
        let circuit = match &found {
            None => self.shown(0, String::new()),
            Some(stored) => {
                let (_, version, state) = read(&stored.document.fields).map_err(unreadable)?;
                self.shown(version, state)
            }
        };
        Ok((circuit, found))
    }

    /// All circuits: name and state.
    pub(crate) async fn all_circuits(&self) -> Result<Vec<(String, String)>, Failure> {
        let range = Range {
            table: Table::State,
            partition: self.circuits_partition(),
            index: Index::Order,
            from: names::START.to_owned(),
            to: names::END.to_owned(),
            descending: false,
        };
        let found = self.documents.query(&range, SHOWN).await?;
        let circuits = found.documents.iter().map(|stored| {
            let (name, _, state) = read(&stored.document.fields).map_err(unreadable)?;
            Ok((name, state))
        });
        circuits.collect()
    }

    fn circuit_address(&self, name: &str) -> Address {
        names::address(
            Table::State,
            self.circuits_partition(),
            &[&self.twin, "circuit", name],
        )
    }

    fn circuits_partition(&self) -> String {
        format!("{}/circuits", self.twin)
    }

    fn shown(&self, version: u64, state: String) -> Circuit {
        Circuit {
            version,
            state,
            now_ms: millis((self.clock)()),
        }
    }
}

fn read(fields: &Fields) -> Result<(String, u64, String), Missing> {
    Ok((
        fields.text_of("name")?.to_owned(),
        fields.number_of("version")?.unsigned_abs(),
        fields.text_of("state")?.to_owned(),
    ))
}
