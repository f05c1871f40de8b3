//! The policy host, its pages and its certificates.

use mxray::lab::Lab;

use super::*;

#[tokio::test]
async fn the_policy_host_serves_each_page_under_the_worlds_authority() {
    let lab = Lab::start().await.unwrap();
    let policy = get(&lab, "mta-sts.monsec.example").await.unwrap();
    let (head, body) = policy.split_once("\r\n\r\n").unwrap();
    assert!(head.starts_with("HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\n"), "{head}");
    assert_eq!(
        body,
        "version: STSv1\r\nmode: testing\r\nmx: aspmx.l.google.example\r\nmx: aspmx2.googlemail.example\r\nmx: \
         aspmx3.googlemail.example\r\nmx: alt1.aspmx.l.google.example\r\nmx: alt2.aspmx.l.google.example\r\nmax_age: \
         604800\r\n"
    );
    for (host, start) in [
        ("mta-sts.html.broken.example", "HTTP/1.1 200 OK\r\nContent-Type: text/html; charset=utf-8\r\n"),
        ("mta-sts.missing.broken.example", "HTTP/1.1 404 "),
        ("mta-sts.moved.broken.example", "HTTP/1.1 302 Found\r\nContent-Type: text/plain\r\nLocation: https://www."),
    ] {
        let text = get(&lab, host).await.unwrap();
        assert!(text.starts_with(start), "{host}: {text}");
    }
    assert!(get(&lab, "mta-sts.big.broken.example").await.unwrap().len() > 128 * 1024);
}

#[tokio::test]
async fn bad_certificates_are_bad_each_in_its_own_way() {
    let lab = Lab::start().await.unwrap();
    for (host, why) in [
        ("mta-sts.old.neglected.example", "Expired"),
        ("mta-sts.wrongname.broken.example", "NotValidForName"),
        ("mta-sts.stranger.broken.example", "UnknownIssuer"),
        ("mta-sts.selfsigned.broken.example", "UnknownIssuer"),
        ("www.acme-bank.example", "AccessDenied"),
    ] {
        let error = get(&lab, host).await.expect_err(host).get_ref().map(|why| format!("{why:?}")).unwrap_or_default();
        assert!(error.contains(why), "{host}: {error}");
    }
}
