use super::*;
use ravelin_ctl::cpu::StageCost;

/// A row of the targets in which ours takes so many nanoseconds, the peer's better mode `peer`, the cipher 100, and the ports 50.
fn row(sas: u32, direction: &'static str, ours: f64, peer: Option<f64>) -> Row {
    let round = Round {
        limit: 100.0,
        floor: 50.0,
        peer_floor: 50.0,
        ours: ours + 50.0,
        peer: peer.map(|ns| [ns + 90.0, ns + 50.0]),
    };
    Row {
        algorithm: "AES-256-GCM",
        family: "IPv4",
        sas,
        mix: "IMIX",
        direction,
        inner_octets: 700.0,
        packets: 64,
        lost: 0,
        stages: vec![],
        rounds: vec![round; 3],
    }
}

fn good() -> Vec<Row> {
    let mut rows = vec![];
    for direction in ["out", "in"] {
        rows.push(row(1, direction, 150.0, Some(240.0)));
        rows.push(row(1000, direction, 155.0, Some(310.0)));
        rows.push(row(8000, direction, 160.0, None));
        rows.push(row(65_536, direction, 190.0, None));
    }
    rows
}

/// Of a run with all that is told beside rows.
fn facts() -> Facts<'static> {
    Facts {
        peer_sas: 1000,
        cpus: 2,
        workers: None,
        fat_tunnel: None,
        cipher_workers: None,
        octets_per_pair: Some(4_000.0),
        install_s: Some(0.5),
    }
}

fn value(verdict: &Verdict, pointer: &str) -> Option<f64> {
    verdict.json().pointer(pointer).unwrap().as_f64()
}

#[test]
fn ratios_are_of_the_better_mode_and_without_the_ports() {
    let verdict = Verdict::new(&good(), &facts());
    assert_eq!(verdict.invalid, None);
    let near = |pointer: &str, wanted: f64| {
        let value = value(&verdict, pointer).unwrap();
        assert!((value - wanted).abs() < 1e-9, "{pointer}: {value}");
    };
    near("/ratios/outbound_vs_ipsec_secgw", 1.6);
    near("/ratios/inbound_vs_ipsec_secgw", 1.6);
    near("/ratios/outbound_1000_vs_ipsec_secgw", 2.0);
    near("/ratios/inbound_vs_limit", 1.5);
    // What is left to the stages: the cipher takes 100 of the peer's 240 and 310.
    near("/ratios/cipher/outbound_vs_ipsec_secgw", 2.4);
    near("/ratios/cipher/inbound_1000_vs_ipsec_secgw", 3.1);
    near("/memory/octets_per_sa_pair", 4_000.0);
    near("/scaling/install_65536_s", 0.5);
    near("/scaling/sas_8000", 150.0 / 160.0);
    near("/scaling/sas_65536", 150.0 / 190.0);
    assert!(!verdict.text().contains("NOT MET"), "{}", verdict.text());
}

#[test]
fn a_missed_target_is_said() {
    let mut rows = good();
    rows[0] = row(1, "out", 171.0, Some(240.0));
    let text = Verdict::new(&rows, &facts()).text();
    let missed: Vec<&str> = text
        .lines()
        .filter(|line| line.contains("NOT MET"))
        .collect();
    assert_eq!(missed.len(), 2, "{text}");
    assert!(
        missed[0].contains("ratios.outbound_vs_ipsec_secgw"),
        "{text}"
    );
    assert!(missed[1].contains("ratios.outbound_vs_limit"), "{text}");
}

#[test]
fn what_was_not_measured_has_no_number() {
    let verdict = Verdict::new(&[], &Facts::default());
    for name in ["sas_8000", "sas_65536", "two_workers", "fat_tunnel"] {
        assert_eq!(value(&verdict, &format!("/scaling/{name}")), None);
    }
    assert_eq!(value(&verdict, "/ratios/outbound_vs_limit"), None);
    assert!(!verdict.text().contains(" met"), "{}", verdict.text());
}

#[test]
fn a_peer_that_was_held_back_makes_the_run_invalid() {
    let mut rows = good();
    // The cipher is usually 0.43 of it.
    rows[0] = row(1, "out", 150.0, Some(300.0));
    let invalid = Verdict::new(&rows, &facts()).invalid.unwrap();
    assert!(invalid.contains("secgw-cpu-crypto"), "{invalid}");
    assert!(Verdict::new(&rows, &facts()).text().contains("INVALID"));
}

#[test]
fn one_round_in_bad_weather_changes_nothing() {
    let mut rows = good();
    let spoilt = rows[0].rounds[0].ours * 20.0;
    rows[0].rounds[0].ours = spoilt;
    let verdict = Verdict::new(&rows, &facts());
    assert!((value(&verdict, "/ratios/outbound_vs_ipsec_secgw").unwrap() - 1.6).abs() < 1e-9);
    assert_eq!(median(&[3.0, 1.0, 2.0]), 2.0);
}

#[test]
fn two_workers_count_until_the_last_packet_and_only_whole_rounds() {
    let spent = |until_sent_ns, came| Spent {
        until_sent_ns,
        packets: 8_192,
        came,
    };
    let mut workers = Workers::default();
    for direction in ["out", "in"] {
        workers.add(direction, spent(14_336, 8_192), spent(8_192, 8_192));
        workers.add(direction, spent(14_336, 8_192), spent(8_192, 8_190));
        workers.add(direction, spent(14_336, 8_192), spent(100, 4_000));
    }
    assert_eq!(workers.scaling(), Some(1.75));
    let facts = |cpus| Facts {
        cpus,
        workers: Some(&workers),
        ..Facts::default()
    };
    let verdict = Verdict::new(&[], &facts(2));
    assert_eq!(value(&verdict, "/scaling/two_workers"), Some(1.75));
    assert_eq!(value(&verdict, "/scaling/fat_tunnel"), None);
    let fat = Facts {
        fat_tunnel: Some(&workers),
        ..Facts::default()
    };
    let fat = Verdict::new(&[], &fat);
    assert_eq!(value(&fat, "/scaling/fat_tunnel"), Some(1.75));
    assert!(verdict.text().contains(" met"), "{}", verdict.text());
    let large = Verdict::new(&[], &facts(4));
    assert!(large.text().contains("NOT MET"), "{}", large.text());
    for _ in 0..3 {
        workers.add("in", spent(14_336, 8_192), spent(8_192, 8_000));
    }
    assert_eq!(workers.scaling(), None, "most rounds lost packets");
    let mut untimed = Workers::default();
    for direction in ["out", "in"] {
        untimed.add(direction, spent(14_336, 8_192), spent(0, 8_192));
    }
    assert_eq!(untimed.scaling(), None, "no time was taken");
}

#[test]
fn what_the_cipher_alone_does_not_reach_is_said_and_not_counted_as_met() {
    let mut rows = good();
    // Of the cipher half is left at 8,000 SAs, and a quarter at 65,536; of ours 0.6 and 0.2.
    for row in &mut rows {
        let (cipher, ours) = match row.sas {
            8000 => (200.0, 250.0),
            65_536 => (400.0, 750.0),
            _ => continue,
        };
        for round in &mut row.rounds {
            (round.limit, round.ours) = (cipher, ours + round.floor);
        }
    }
    let verdict = Verdict::new(&rows, &facts());
    let text = verdict.text();
    let line = |name: &str| text.lines().find(|line| line.contains(name)).unwrap();
    let said = "out of reach on this machine: the cipher alone reaches 0.50";
    assert!(line("sas_8000").ends_with(said), "{text}");
    let said = "NOT MET; the cipher alone: 0.25 here";
    assert!(line("sas_65536").ends_with(said), "{text}");
    assert_eq!(value(&verdict, "/scaling/sas_8000"), Some(0.6));
    assert_eq!(value(&verdict, "/scaling/cipher/sas_8000"), Some(0.5));
    assert_eq!(value(&verdict, "/scaling/cipher/sas_65536"), Some(0.25));
    let json = verdict.json();
    let target = |name: &str| {
        let mut targets = json["targets"].as_array().unwrap().iter();
        targets.find(|target| target["name"] == name).unwrap()
    };
    let near = target("scaling.sas_8000");
    assert_eq!(
        (&near["met"], &near["out_of_reach"]),
        (&false.into(), &true.into())
    );
    let far = target("scaling.sas_65536");
    assert_eq!(
        (&far["met"], &far["out_of_reach"]),
        (&false.into(), &false.into())
    );
}

#[test]
fn a_target_that_is_met_is_never_out_of_reach() {
    let mut cipher = Workers::default();
    let mut workers = Workers::default();
    for direction in ["out", "in"] {
        cipher.add(direction, Spent::whole(1_300, 64), Spent::whole(1_000, 64));
        workers.add(direction, Spent::whole(1_400, 64), Spent::whole(1_000, 64));
    }
    let text = |workers: &Workers| {
        let facts = Facts {
            cpus: 4,
            workers: Some(workers),
            cipher_workers: Some(&cipher),
            ..Facts::default()
        };
        Verdict::new(&[], &facts).text()
    };
    let missed = text(&workers);
    assert!(missed.contains("the cipher alone reaches 1.30"), "{missed}");
    for direction in ["out", "in"] {
        for _ in 0..3 {
            workers.add(direction, Spent::whole(1_900, 64), Spent::whole(1_000, 64));
        }
    }
    let met = text(&workers);
    assert!(met.contains("met; the cipher alone: 1.30 here"), "{met}");
}

#[test]
fn losses_and_wrong_lengths_are_refused() {
    let passed = Passed {
        packets: 10_000,
        octets: 1_000_000,
        came_packets: 9_990,
        came_octets: 999_000,
    };
    assert_eq!(check_passed(&passed), Ok(()));
    let lost = Passed {
        came_packets: 9_989,
        ..passed
    };
    let (sent, came) = (10_000, 9_989);
    assert_eq!(check_passed(&lost), Err(Unfair::Lost { sent, came }));
    // All packets, but as they came in.
    let clear = Passed {
        came_octets: 930_000,
        ..passed
    };
    let (came, wanted) = (930_000, 1_000_000);
    assert_eq!(check_passed(&clear), Err(Unfair::Octets { came, wanted }));
    let nothing = Passed {
        came_packets: 0,
        came_octets: 0,
        ..passed
    };
    assert!(check_passed(&nothing).is_err());
}

#[test]
fn another_program_is_refused() {
    assert_eq!(check_binary("ab", "ab"), Ok(()));
    assert!(check_binary("ab", "cd").is_err());
    assert!(check_binary("", "").is_err());
}

#[test]
fn charts_show_the_rows_of_the_targets() {
    let mut rows = good();
    rows.push(Row {
        mix: "64",
        ..row(1, "out", 1.0, None)
    });
    let text = bars(&rows, 2.0);
    assert_eq!(text.matches("ravelin").count(), 8, "{text}");
    assert_eq!(text.matches("ipsec-secgw").count(), 4, "{text}");
    assert!(text.contains(" 300\n"), "{text}");
    let plot = svg(&rows, 2.0, "a < b");
    assert!(plot.starts_with("<svg") && plot.ends_with("</svg>\n"));
    assert!(plot.contains("a &lt; b"));
    assert_eq!(plot.matches("<rect").count(), 1 + 8 + 8 + 4, "{plot}");
    assert_eq!(table(&rows, 2.0).lines().count(), 3 + rows.len());
    assert_eq!(rows_json(&rows, 2.0).len(), rows.len());
}

#[test]
fn stages_are_told_per_packet_between_two_readings() {
    let cost = |stage: &str, packets, cycles| StageCost {
        stage: stage.to_owned(),
        packets,
        cycles,
    };
    let before = [cost("receive", 100, 5_000), cost("crypto", 100, 9_000)];
    let after = [
        cost("receive", 300, 9_000),
        cost("crypto", 200, 29_000),
        cost("handoff", 0, 70),
    ];
    let mut row = row(1, "out", 150.0, None);
    row.stages = between(&before, &after);
    let text = stages_table(&[row.clone()]);
    assert!(
        text.ends_with("1 SAs out: receive 20 crypto 100\n"),
        "{text}"
    );
    let stages = &rows_json(&[row], 1.0)[0]["stages"];
    assert_eq!(stages["crypto"], 100.0);
    assert_eq!(stages.get("handoff"), None);
}
