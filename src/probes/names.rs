//! Names to addresses, for probes: the resolver that the connection itself uses, so that what was checked is what is
//! connected to and no second answer of a name server counts.

use super::guard::{AllowList, Closed};
use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use std::fmt;
use std::future::Future;
use std::net::{IpAddr, SocketAddr};
use std::pin::Pin;
use std::sync::Arc;

/// Asks for a name's addresses.
pub(super) type Lookup = Arc<dyn Fn(String) -> Found + Send + Sync>;
type Found = Pin<Box<dyn Future<Output = std::io::Result<Vec<IpAddr>>> + Send>>;

/// The machine's own resolver.
pub(super) fn system() -> Lookup {
    Arc::new(|name| Box::pin(async move { Ok(tokio::net::lookup_host((name, 0)).await?.map(|a| a.ip()).collect()) }))
}

#[derive(Clone)]
pub(super) struct Guarded {
    allow: Arc<AllowList>,
    lookup: Lookup,
}

/// At least one of the name's addresses is closed.
#[derive(Debug, thiserror::Error)]
#[error("an address that probes may not reach")]
pub(super) struct Blocked(pub Closed);

#[derive(Debug, thiserror::Error)]
#[error("a name without an address")]
pub(super) struct Nowhere;

impl Guarded {
    pub(super) fn new(allow: Arc<AllowList>, lookup: Lookup) -> Self {
        Self { allow, lookup }
    }
}

impl fmt::Debug for Guarded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Guarded").field("allow", &self.allow).finish_non_exhaustive()
    }
}

/// Why a name is not connected to.
#[derive(Debug)]
pub(super) enum Refused {
    Blocked(Closed),
    Nowhere,
}

impl Guarded {
    /// All addresses of the name, none of them closed.
    pub(super) async fn addresses(self, name: String) -> Result<Vec<IpAddr>, Refused> {
        let addresses = (self.lookup)(name.clone()).await.map_err(|_| Refused::Nowhere)?;
        for address in &addresses {
            if let Err(closed) = self.allow.check(*address) {
                tracing::warn!(name, %address, "a health check was kept from a closed address");
                return Err(Refused::Blocked(closed));
            }
        }
        if addresses.is_empty() { Err(Refused::Nowhere) } else { Ok(addresses) }
    }
}

impl Resolve for Guarded {
    fn resolve(&self, name: Name) -> Resolving {
        let found = self.clone().addresses(name.as_str().to_owned());
        Box::pin(async move {
            match found.await {
                Ok(addresses) => Ok(Box::new(addresses.into_iter().map(|address| SocketAddr::new(address, 0))) as Addrs),
                Err(Refused::Blocked(closed)) => Err(Blocked(closed).into()),
                Err(Refused::Nowhere) => Err(Nowhere.into()),
            }
        })
    }
}
