//! One provider, replayed.

use std::collections::BTreeSet;
use std::fmt;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;

use bonafide_core::Descriptor;
use bonafide_core::host::Route;
use bonafide_core::interaction::{self, Interaction};
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinSet;
use url::Url;

use crate::authority::Authority;
use crate::error::EmulatorError;
use crate::http::Api;
use crate::record::{Record, RecordedRequest, Stage};
use crate::serve::{Shutdown, serve};
use crate::smtp::MailRoutes;

/// One provider, replayed on loopback from its documented interactions. Dropping it takes it down.
pub struct Emulator {
    descriptor: &'static Descriptor,
    base_urls: Vec<Url>,
    mail: Option<Arc<MailRoutes>>,
    record: Arc<Record>,
    shutdown: Shutdown,
    listeners: JoinSet<()>,
}

impl fmt::Debug for Emulator {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let base_urls: Vec<&str> = self.base_urls.iter().map(Url::as_str).collect();
        formatter
            .debug_struct("Emulator")
            .field("provider", &self.descriptor.name)
            .field("base_urls", &base_urls)
            .field("mail", &self.mail)
            .finish_non_exhaustive()
    }
}

impl Emulator {
    /// Replays every interaction of the provider.
    pub async fn start(
        descriptor: &'static Descriptor,
        authority: &Authority,
    ) -> Result<Self, EmulatorError> {
        let interactions = interaction::parse(descriptor.interactions)
            .map_err(|source| EmulatorError::Interactions { provider: descriptor.name, source })?;
        Self::of_interactions(descriptor, interactions, authority).await
    }

    /// Replays these interactions alone.
    pub async fn of_interactions(
        descriptor: &'static Descriptor,
        interactions: Vec<Interaction>,
        authority: &Authority,
    ) -> Result<Self, EmulatorError> {
        let record = Arc::new(Record::default());
        let shutdown = watch::Sender::new(false);
        let mut listeners = JoinSet::new();
        let mut base_urls = Vec::new();
        let api =
            Arc::new(Api::new(descriptor, &interactions, Arc::clone(&record), shutdown.clone())?);
        for index in 0..descriptor.base_urls().len() {
            let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
            base_urls.push(base_url(listener.local_addr()?, descriptor)?);
            let api = Arc::clone(&api);
            let serve_connection = move |stream| Arc::clone(&api).serve_connection(index, stream);
            listeners.spawn(serve(
                listener,
                Arc::clone(&record),
                shutdown.clone(),
                serve_connection,
            ));
        }
        let mail = if descriptor.has_user_supplied_host() {
            let routes =
                MailRoutes::start(&interactions, authority, &record, &shutdown, &mut listeners)
                    .await?;
            Some(Arc::new(routes))
        } else {
            None
        };
        tracing::debug!(
            provider = descriptor.name,
            interactions = interactions.len(),
            listeners = listeners.len(),
            "the emulator is up"
        );
        Ok(Self { descriptor, base_urls, mail, record, shutdown, listeners })
    }

    /// The provider that is replayed.
    pub fn descriptor(&self) -> &'static Descriptor {
        self.descriptor
    }

    /// Where it is replayed, one for each base URL of the descriptor; empty where the settings name the host.
    pub fn base_urls(&self) -> &[Url] {
        &self.base_urls
    }

    /// Leads the hosts and ports that settings name to this emulator, for providers whose settings do. What no
    /// interaction is for is led to a port that refuses connections.
    pub fn route(&self) -> Option<Route> {
        let mail = Arc::clone(self.mail.as_ref()?);
        Some(Arc::new(move |host, port| {
            mail.named(host, port).or_else(|| mail.fallback(port)).unwrap_or(mail.closed_port())
        }))
    }

    pub(crate) fn mail(&self) -> Option<&Arc<MailRoutes>> {
        self.mail.as_ref()
    }

    pub(crate) fn turn_record_off(&self) {
        self.record.turn_off();
    }

    /// Every request so far, in order.
    pub fn requests(&self) -> Vec<RecordedRequest> {
        self.record.lock().requests.clone()
    }

    /// The verbs that the mail servers were told so far, in order: `EHLO`, `STARTTLS` and so on, `?` for a line that
    /// begins with none.
    pub fn commands(&self) -> Vec<String> {
        self.record.lock().commands.clone()
    }

    /// The stages of a mail server's dialogue that were reached so far.
    pub fn stages(&self) -> BTreeSet<Stage> {
        self.record.lock().stages.clone()
    }

    /// How many connections were accepted so far.
    pub fn connections(&self) -> usize {
        self.record.lock().connections
    }

    /// Takes the provider down: closes the listeners and every open connection.
    ///
    /// When it returns, new connections are refused. The record stays.
    pub async fn stop(&mut self) {
        self.shutdown.send_replace(true);
        while self.listeners.join_next().await.is_some() {}
    }
}

fn base_url(address: SocketAddr, descriptor: &'static Descriptor) -> Result<Url, EmulatorError> {
    Url::parse(&format!("http://{address}")).map_err(|error| EmulatorError::InvalidInteraction {
        provider: descriptor.name,
        interaction: "all".to_owned(),
        reason: error.to_string(),
    })
}
