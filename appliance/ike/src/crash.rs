//! Quick crash detection (RFC 6290): who has lost an IKE SA proves that it had it, and the other end need not wait.
//!
//! Each end gives the other a token in IKE_AUTH, and after each rekey of the IKE SA. Whoever gets a message for an IKE SA that it does
//! not know answers with INVALID_IKE_SPI and the token, which it makes again from its secret and the SPIs: no memory is needed beside
//! the secret, which the environment keeps.

use ravelin_crypto::{Zeroizing, ct_eq, prf};
use ravelin_types::Prf;

use crate::environment::TOKEN_SECRET_OCTETS;
use crate::error::Fault;
use crate::msg::Payload;
use crate::msg::notify::{Notify, kind};
use crate::msg::sa::protocol;
use crate::outbox::Ctx;
use crate::sa::init::gateway_of;
use crate::sa::{Exchange, Parts, request};
use crate::session::{IkeSa, Session};

/// Octets of a token that is taken (section 4.1).
const TOKEN_OCTETS: std::ops::RangeInclusive<usize> = 16..=128;

/// What our tokens are made of (section 5: QCD_SECRET).
#[derive(Default)]
pub(crate) struct TokenSecret(pub(crate) Zeroizing<[u8; TOKEN_SECRET_OCTETS]>);

impl TokenSecret {
    /// The token of an IKE SA. Section 5.1 has a hash of secret and SPIs; ours is keyed.
    pub(crate) fn notify(&self, spi_i: u64, spi_r: u64) -> Result<Notify, Fault> {
        let spis = [spi_i.to_be_bytes(), spi_r.to_be_bytes()].concat();
        let token = prf(Prf::HmacSha256, &*self.0, &[b"QCD_TOKEN", &spis])?;
        // Section 4.1: "The Protocol ID field MUST be 1, as this message is related to an IKE SA."
        Ok(Notify {
            protocol: protocol::IKE,
            ..Notify::new(kind::QCD_TOKEN, token.as_bytes())
        })
    }
}

/// Our token for this IKE SA, when the gateway of the session gives one.
pub(crate) fn offer(
    ctx: &Ctx<'_>,
    session: &Session,
    spi_i: u64,
    spi_r: u64,
) -> Result<Option<Payload>, Fault> {
    if !gateway_of(ctx, session).is_some_and(|g| g.quick_crash_detection) {
        return Ok(None);
    }
    let notify = ctx.out.tokens.notify(spi_i, spi_r)?;
    Ok(Some(Payload::Notify(notify)))
}

/// Keeps the peer's token.
pub(crate) fn keep(sa: &mut IkeSa, parts: &Parts<'_>) {
    let token = parts.notify(kind::QCD_TOKEN).map(|n| &n.data);
    if let Some(token) = token.filter(|t| TOKEN_OCTETS.contains(&t.len())) {
        sa.peer_token = Some(token.clone());
    }
}

/// Tells the peer our token of an IKE SA whose rekey we started: its SPIs were not known before (section 4.3).
pub(crate) fn tell(ctx: &mut Ctx<'_>, session: &mut Session, ike: u64) -> Result<(), Fault> {
    let sa = session.ike_mut(ike)?;
    let (spi_i, spi_r) = (sa.spi_i, sa.spi_r);
    let Some(token) = offer(ctx, session, spi_i, spi_r)? else {
        return Ok(());
    };
    let informational = crate::msg::ExchangeType::Informational;
    let exchange = Exchange::Dpd;
    request(ctx, session, ike, informational, &[token], exchange)
}

/// Whether an unprotected message proves that the peer has lost this IKE SA (section 4.5).
pub(crate) fn proves_loss(sa: &IkeSa, payloads: &[Payload]) -> bool {
    let parts = Parts::of(payloads);
    let lost = parts.notify(kind::INVALID_IKE_SPI).is_some();
    let token = parts.notify(kind::QCD_TOKEN);
    let known = sa.peer_token.as_ref().filter(|_| lost);
    known
        .zip(token)
        .is_some_and(|(ours, n)| ct_eq(ours, &n.data))
}
