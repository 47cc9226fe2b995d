//! One CA: its key, its certificate, and what it puts into the certificates that it issues.

use ravelin_types::Identity;
use rcgen::{
    BasicConstraints, CertificateParams, CustomExtension, DistinguishedName, DnType,
    ExtendedKeyUsagePurpose, GeneralSubtree, IsCa, Issuer, KeyIdMethod, KeyUsagePurpose,
    NameConstraints, SanType, SerialNumber,
};

use super::key::{KeyKind, TestKey};
use super::{DAY_S, Error, date};
use crate::time::WallTime;

/// What a certificate is to say.
#[derive(Debug, Clone)]
pub(super) struct Template {
    pub name: String,
    pub names: Vec<Identity>,
    pub validity: (WallTime, WallTime),
    pub is_ca: IsCa,
    pub key_usages: Vec<KeyUsagePurpose>,
    pub extended_key_usages: Vec<ExtendedKeyUsagePurpose>,
    /// dNSNames below it only.
    pub permitted_domain: Option<String>,
    pub unknown_extension: bool,
}

impl Template {
    /// The certificate of a peer: a year, `digitalSignature`, the extended key usage of IPsec.
    pub fn end_entity(name: &str, now: WallTime) -> Self {
        Self {
            name: name.to_owned(),
            names: vec![],
            validity: (WallTime(now.0 - DAY_S), WallTime(now.0 + 365 * DAY_S)),
            is_ca: IsCa::ExplicitNoCa,
            key_usages: vec![KeyUsagePurpose::DigitalSignature],
            extended_key_usages: vec![ExtendedKeyUsagePurpose::Other(vec![
                1, 3, 6, 1, 5, 5, 7, 3, 17,
            ])],
            permitted_domain: None,
            unknown_extension: false,
        }
    }

    /// The certificate of a CA: ten years.
    pub fn authority(name: &str, now: WallTime) -> Self {
        Self {
            validity: (WallTime(now.0 - DAY_S), WallTime(now.0 + 3650 * DAY_S)),
            is_ca: IsCa::Ca(BasicConstraints::Unconstrained),
            key_usages: vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign],
            extended_key_usages: vec![],
            ..Self::end_entity(name, now)
        }
    }

    fn parameters(&self, identifier: &[u8]) -> Result<CertificateParams, Error> {
        let mut parameters = CertificateParams::default();
        (parameters.not_before, parameters.not_after) =
            (date(self.validity.0)?, date(self.validity.1)?);
        parameters.serial_number = Some(serial()?);
        let mut name = DistinguishedName::new();
        name.push(DnType::OrganizationName, "Ravelin Test");
        name.push(DnType::CommonName, self.name.as_str());
        parameters.distinguished_name = name;
        for name in &self.names {
            parameters.subject_alt_names.extend(alt_name(name)?);
        }
        parameters.is_ca = self.is_ca;
        parameters.key_usages.clone_from(&self.key_usages);
        parameters
            .extended_key_usages
            .clone_from(&self.extended_key_usages);
        parameters.name_constraints = self.permitted_domain.as_ref().map(|d| NameConstraints {
            permitted_subtrees: vec![GeneralSubtree::DnsName(d.clone())],
            excluded_subtrees: vec![],
        });
        if self.unknown_extension {
            // 1.3.6.1.4.1.55555 is nobody's.
            let oid = [1, 3, 6, 1, 4, 1, 55_555, 1];
            let mut extension = CustomExtension::from_oid_content(&oid, vec![5, 0]);
            extension.set_criticality(true);
            parameters.custom_extensions.push(extension);
        }
        parameters.use_authority_key_identifier_extension = true;
        parameters.key_identifier_method = KeyIdMethod::PreSpecified(identifier.to_vec());
        Ok(parameters)
    }
}

/// The alternative name, `None` for what no certificate speaks for.
fn alt_name(identity: &Identity) -> Result<Option<SanType>, Error> {
    Ok(match identity {
        Identity::Fqdn(name) => Some(SanType::DnsName(name.as_str().try_into()?)),
        Identity::Email(name) => Some(SanType::Rfc822Name(name.as_str().try_into()?)),
        Identity::Ipv4(address) => Some(SanType::IpAddress((*address).into())),
        Identity::Ipv6(address) => Some(SanType::IpAddress((*address).into())),
        Identity::Dn(_) | Identity::KeyId(_) => None,
    })
}

/// A random serial number of 16 octets, positive and without leading zeros.
pub(super) fn serial() -> Result<SerialNumber, Error> {
    let mut octets = [0; 16];
    ravelin_crypto::random(&mut octets).map_err(crate::Error::from)?;
    octets[0] = octets[0] & 0x7f | 0x40;
    Ok(SerialNumber::from_slice(&octets))
}

/// A CA.
#[derive(Debug, Clone)]
pub(super) struct Authority {
    pub certificate: Vec<u8>,
    parameters: CertificateParams,
    key: TestKey,
}

impl Authority {
    pub fn root(name: &str, kind: KeyKind, now: WallTime) -> Result<Self, Error> {
        let key = TestKey::generate(kind)?;
        let parameters = Template::authority(name, now).parameters(&key.identifier)?;
        let certificate = parameters.self_signed(&key)?.der().to_vec();
        Ok(Self {
            certificate,
            parameters,
            key,
        })
    }

    /// A CA below this one.
    pub fn authority(&self, template: Template, kind: KeyKind) -> Result<Authority, Error> {
        let key = TestKey::generate(kind)?;
        let parameters = template.parameters(&key.identifier)?;
        let certificate = parameters.signed_by(&key, &self.issuer())?.der().to_vec();
        Ok(Authority {
            certificate,
            parameters,
            key,
        })
    }

    /// DER of a certificate for `key`.
    pub fn issue(&self, template: &Template, key: &TestKey) -> Result<Vec<u8>, Error> {
        let parameters = template.parameters(&key.identifier)?;
        Ok(parameters.signed_by(key, &self.issuer())?.der().to_vec())
    }

    pub fn issuer(&self) -> Issuer<'_, &TestKey> {
        Issuer::from_params(&self.parameters, &self.key)
    }

    pub fn key(&self) -> &TestKey {
        &self.key
    }

    pub fn key_identifier(&self) -> KeyIdMethod {
        self.parameters.key_identifier_method.clone()
    }
}
