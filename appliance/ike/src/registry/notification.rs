//! Notify message types: IANA's "IKEv2 Notify Message Error Types" and "IKEv2 Notify Message Status Types".

/// The name of a notification.
pub(crate) fn notification(number: u16) -> Option<&'static str> {
    error(number).or_else(|| status(number))
}

/// The name of an error notification, for the one line a failure gets.
pub(crate) fn error_name(number: u16) -> &'static str {
    error(number).unwrap_or("an unknown error")
}

fn error(number: u16) -> Option<&'static str> {
    Some(match number {
        1 => "UNSUPPORTED_CRITICAL_PAYLOAD",
        4 => "INVALID_IKE_SPI",
        5 => "INVALID_MAJOR_VERSION",
        7 => "INVALID_SYNTAX",
        9 => "INVALID_MESSAGE_ID",
        11 => "INVALID_SPI",
        14 => "NO_PROPOSAL_CHOSEN",
        17 => "INVALID_KE_PAYLOAD",
        24 => "AUTHENTICATION_FAILED",
        34 => "SINGLE_PAIR_REQUIRED",
        35 => "NO_ADDITIONAL_SAS",
        36 => "INTERNAL_ADDRESS_FAILURE",
        37 => "FAILED_CP_REQUIRED",
        38 => "TS_UNACCEPTABLE",
        39 => "INVALID_SELECTORS",
        40 => "UNACCEPTABLE_ADDRESSES",
        41 => "UNEXPECTED_NAT_DETECTED",
        42 => "USE_ASSIGNED_HoA",
        43 => "TEMPORARY_FAILURE",
        44 => "CHILD_SA_NOT_FOUND",
        45 => "INVALID_GROUP_ID",
        46 => "AUTHORIZATION_FAILED",
        47 => "STATE_NOT_FOUND",
        48 => "TS_MAX_QUEUE",
        _ => return None,
    })
}

fn status(number: u16) -> Option<&'static str> {
    Some(match number {
        16384 => "INITIAL_CONTACT",
        16385 => "SET_WINDOW_SIZE",
        16386 => "ADDITIONAL_TS_POSSIBLE",
        16387 => "IPCOMP_SUPPORTED",
        16388 => "NAT_DETECTION_SOURCE_IP",
        16389 => "NAT_DETECTION_DESTINATION_IP",
        16390 => "COOKIE",
        16391 => "USE_TRANSPORT_MODE",
        16392 => "HTTP_CERT_LOOKUP_SUPPORTED",
        16393 => "REKEY_SA",
        16394 => "ESP_TFC_PADDING_NOT_SUPPORTED",
        16395 => "NON_FIRST_FRAGMENTS_ALSO",
        16396 => "MOBIKE_SUPPORTED",
        16397 => "ADDITIONAL_IP4_ADDRESS",
        16398 => "ADDITIONAL_IP6_ADDRESS",
        16399 => "NO_ADDITIONAL_ADDRESSES",
        16400 => "UPDATE_SA_ADDRESSES",
        16401 => "COOKIE2",
        16402 => "NO_NATS_ALLOWED",
        16403 => "AUTH_LIFETIME",
        16404 => "MULTIPLE_AUTH_SUPPORTED",
        16405 => "ANOTHER_AUTH_FOLLOWS",
        16406 => "REDIRECT_SUPPORTED",
        16407 => "REDIRECT",
        16408 => "REDIRECTED_FROM",
        16409 => "TICKET_LT_OPAQUE",
        16410 => "TICKET_REQUEST",
        16411 => "TICKET_ACK",
        16412 => "TICKET_NACK",
        16413 => "TICKET_OPAQUE",
        16414 => "LINK_ID",
        16415 => "USE_WESP_MODE",
        16416 => "ROHC_SUPPORTED",
        16417 => "EAP_ONLY_AUTHENTICATION",
        16418 => "CHILDLESS_IKEV2_SUPPORTED",
        16419 => "QUICK_CRASH_DETECTION",
        16420 => "IKEV2_MESSAGE_ID_SYNC_SUPPORTED",
        16421 => "IPSEC_REPLAY_COUNTER_SYNC_SUPPORTED",
        16422 => "IKEV2_MESSAGE_ID_SYNC",
        16423 => "IPSEC_REPLAY_COUNTER_SYNC",
        16424 => "SECURE_PASSWORD_METHODS",
        16425 => "PSK_PERSIST",
        16426 => "PSK_CONFIRM",
        16427 => "ERX_SUPPORTED",
        16428 => "IFOM_CAPABILITY",
        16429 => "GROUP_SENDER",
        16430 => "IKEV2_FRAGMENTATION_SUPPORTED",
        16431 => "SIGNATURE_HASH_ALGORITHMS",
        16432 => "CLONE_IKE_SA_SUPPORTED",
        16433 => "CLONE_IKE_SA",
        16434 => "PUZZLE",
        16435 => "USE_PPK",
        16436 => "PPK_IDENTITY",
        16437 => "NO_PPK_AUTH",
        16438 => "INTERMEDIATE_EXCHANGE_SUPPORTED",
        16439 => "IP4_ALLOWED",
        16440 => "IP6_ALLOWED",
        16441 => "ADDITIONAL_KEY_EXCHANGE",
        16442 => "USE_AGGFRAG",
        16443 => "SUPPORTED_AUTH_METHODS",
        16444 => "SA_RESOURCE_INFO",
        _ => return None,
    })
}
