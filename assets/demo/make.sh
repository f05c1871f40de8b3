#!/usr/bin/env bash
# Makes the key material of the demo world (`mxray --demo`, the tests): bash assets/demo/make.sh
#
#   THE PRIVATE KEYS THAT THIS WRITES ARE PUBLIC AND WORTHLESS. They stand in the repository, they are embedded in the
#   program, everybody has them. Never trust ca.pem outside the demo, never publish a key of dkim.pem.
#
# It needs bash and openssl (3.0 or newer) and writes, beside itself:
#   ca.pem           the demo's certificate authority, certificate and key; valid 2024 to 2046
#   tls.pem          one key and certificate a TLS server, each under a line "# NAME"
#   dkim.pem         one key a DKIM selector, each under a line "# SELECTOR._domainkey.DOMAIN"
#   dnssec.pem       one key a signed zone, each under a line "# ZONE"
#   generated.zone   the DKIM and TLSA records that follow from these keys
#   monsec.io.json   the mission's zone with its real names, for tools/loopdns.py (the speed measurement of issue 3)
# Keys that are already there are kept, so that signed messages stay valid; delete a file to have its keys made anew.
# Certificates are made anew each time.
set -euo pipefail
cd "$(dirname "$0")"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# keep FILE NAME: prints the block of NAME in a bundle, nothing when it has none.
keep() { [ -f "$1" ] || return 0; awk -v want="# $2" '/^# /{on = ($0 == want)} on && !/^# /' "$1"; }

# key BUNDLE NAME GENPKEY-ARGUMENTS…: adds a key to the new bundle, the old one when there is one.
key() {
  local bundle=$1 name=$2; shift 2
  keep "$bundle" "$name" | sed -n '/BEGIN PRIVATE KEY/,/END PRIVATE KEY/p' > "$work/key"
  [ -s "$work/key" ] || openssl genpkey "$@" -out "$work/key" 2> "$work/errors" || { cat "$work/errors" >&2; exit 1; }
  { echo "# $name"; cat "$work/key"; } >> "$work/$bundle"
}

worthless="# Public and worthless: made by make.sh for the demo world, known to everybody. Never use it for anything else."

# ---- DKIM -----------------------------------------------------------------------------------------------------------
echo "$worthless" > "$work/dkim.pem"
{ echo "; Made by make.sh from dkim.pem and tls.pem; each line belongs to the zone that its name ends in."; } > "$work/generated.zone"

# dkim SELECTOR DOMAIN (rsa BITS | ed25519) [FLAGS]: the key, and its record.
dkim() {
  local owner="$1._domainkey.$2" flags=${5:-} tag=$3 data
  if [ "$3" = rsa ]; then
    key dkim.pem "$owner" -algorithm RSA -pkeyopt "rsa_keygen_bits:$4"
    data=$(openssl pkey -in "$work/key" -pubout -outform DER | base64 -w0)
  else
    key dkim.pem "$owner" -algorithm ED25519
    data=$(openssl pkey -in "$work/key" -pubout -outform DER | tail -c 32 | base64 -w0)
  fi
  local text="v=DKIM1; k=$tag; ${flags}p=$data" line="$owner. 300 IN TXT"
  while [ -n "$text" ]; do line+=" \"${text:0:250}\""; text=${text:250}; done
  echo "$line" >> "$work/generated.zone"
  public=$data
}
dkim google monsec.example rsa 2048
monsec_key=$public
dkim rsa2026 flawless.example rsa 2048
dkim ed2026 flawless.example ed25519 -
dkim rsa2026 acme-bank.example rsa 2048
dkim mail acrne-bank.example rsa 2048
dkim k1 mailer.example rsa 2048 't=s; '
dkim arc1 lists.example rsa 2048
dkim default neglected.example rsa 512
dkim s1 shop.gov.example rsa 2048

# ---- TLS ------------------------------------------------------------------------------------------------------------
cat > "$work/ca.conf" <<CONF
[ca]
default_ca = demo
[demo]
new_certs_dir = $work
database = $work/index
serial = $work/serial
default_md = sha256
policy = any
unique_subject = no
copy_extensions = copy
x509_extensions = leaf
[any]
commonName = supplied
organizationName = optional
[req]
distinguished_name = dn
[dn]
[leaf]
basicConstraints = critical, CA:false
keyUsage = critical, digitalSignature
extendedKeyUsage = serverAuth
subjectKeyIdentifier = hash
authorityKeyIdentifier = keyid
[client]
basicConstraints = critical, CA:false
keyUsage = critical, digitalSignature
extendedKeyUsage = clientAuth
[root]
basicConstraints = critical, CA:true
keyUsage = critical, keyCertSign, cRLSign
subjectKeyIdentifier = hash
CONF
: > "$work/index"
openssl rand -hex 12 > "$work/serial"

# authority FILE NAME: a self-signed certificate authority (certificate, then key).
authority() {
  openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out "$work/$1.key"
  openssl req -new -key "$work/$1.key" -subj "/O=mxray demo world/CN=$2" -config "$work/ca.conf" -out "$work/csr"
  openssl ca -batch -notext -config "$work/ca.conf" -selfsign -keyfile "$work/$1.key" -in "$work/csr" -extensions root \
    -startdate 20240101000000Z -enddate 20460101000000Z -out "$work/$1.crt" 2> "$work/errors" || { cat "$work/errors"; exit 1; }
}
authority ca "mxray demo authority (worthless)"
authority stranger "an authority nobody knows"
{ echo "$worthless"; cat "$work/ca.crt" "$work/ca.key"; } > "$work/ca.pem"

echo "$worthless" > "$work/tls.pem"
# cert HOST [good|expired|future|selfsigned|stranger|client] [NAME…]: the server HOST's key and certificate, for NAMEs (itself).
cert() {
  local host=$1 how=${2:-good} from=20240101000000Z to=20460101000000Z signer=ca extensions=leaf names san
  shift; [ $# -gt 0 ] && shift
  names=("${@:-$host}")
  case $how in
    expired) from=20230101000000Z to=20240101000000Z ;;
    future) from=20450101000000Z ;;
    stranger) signer=stranger ;;
    client) extensions=client ;;
  esac
  key tls.pem "$host" -algorithm EC -pkeyopt ec_paramgen_curve:P-256
  san=$(printf ',DNS:%s' "${names[@]}")
  openssl req -new -key "$work/key" -subj "/CN=${names[0]}" -addext "subjectAltName=${san#,}" -config "$work/ca.conf" -out "$work/csr"
  local sign=(-cert "$work/$signer.crt" -keyfile "$work/$signer.key")
  [ "$how" = selfsigned ] && sign=(-selfsign -keyfile "$work/key")
  openssl ca -batch -notext -config "$work/ca.conf" "${sign[@]}" -in "$work/csr" -extensions $extensions \
    -startdate $from -enddate $to -out "$work/crt" 2> "$work/errors" || { cat "$work/errors"; exit 1; }
  cat "$work/crt" >> "$work/tls.pem"
  cp "$work/crt" "$work/$host.crt"
}
# tlsa HOST [wrong]: a 3 1 1 record for HOST's port 25 (RFC 6698), or one that matches nothing.
tlsa() {
  local hash
  hash=$(openssl x509 -in "$work/$1.crt" -noout -pubkey | openssl pkey -pubin -outform DER | openssl dgst -sha256 -r | cut -d' ' -f1)
  [ "${2:-}" = wrong ] && hash=$(echo "${hash}" | tr '0123456789abcdef' '123456789abcdef0')
  echo "_25._tcp.$1. 300 IN TLSA 3 1 1 $hash" >> "$work/generated.zone"
}
cert mx1.flawless.example; tlsa mx1.flawless.example
cert mx2.flawless.example; tlsa mx2.flawless.example
cert mta-sts.flawless.example
cert flawless.example good flawless.example www.flawless.example
cert smtp.google.example
cert mta-sts.monsec.example
cert mail.neglected.example expired
cert mta-sts.neglected.example
cert mta-sts.old.neglected.example expired
cert mx.mailer.example
cert mx.lists.example
cert mx.acme-bank.example
cert mta-sts.acme-bank.example
cert mx.acrne-bank.example
cert mx.gov.example
cert mx.broken.example
cert mx.slow.broken.example
cert mta-sts.shop.gov.example
for kind in html missing moved big sleepy invalid; do cert mta-sts.$kind.broken.example; done
cert mta-sts.wrongname.broken.example good www.broken.example
cert mta-sts.stranger.broken.example stranger
cert mta-sts.selfsigned.broken.example selfsigned
cert mx.good.servers.example; tlsa mx.good.servers.example
for kind in good nostarttls expired wrongname; do cert mta-sts.$kind.servers.example; done
cert mx.expired.servers.example expired
cert mx.future.servers.example future
cert mx.wrongname.servers.example good mail.elsewhere.example
cert mx.selfsigned.servers.example selfsigned
cert mx.stranger.servers.example stranger
cert mx.client.servers.example client
for kind in greylisted blocked slow tarpit talkative early hangsupmail; do cert mx.$kind.servers.example; done
cert mx.dane.servers.example selfsigned; tlsa mx.dane.servers.example
cert mx.danewrong.servers.example; tlsa mx.danewrong.servers.example wrong

# ---- DNSSEC ---------------------------------------------------------------------------------------------------------
echo "$worthless" > "$work/dnssec.pem"
for zone in . example flawless.example servers.example; do key dnssec.pem "$zone" -algorithm ED25519; done

# ---- the mission's zone with its real names ---------------------------------------------------------------------------
cat > "$work/monsec.io.json" <<JSON
{
  "ttl": 300,
  "default": "nxdomain",
  "records": {
    "monsec.io": {
      "A": "185.199.108.153",
      "MX": "1 smtp.google.com",
      "TXT": "v=spf1 include:_spf.google.com -all"
    },
    "www.monsec.io": {"CNAME": "monsec.io"},
    "google._domainkey.monsec.io": {"TXT": "v=DKIM1; k=rsa; p=$monsec_key"},
    "_dmarc.monsec.io": {"TXT": "v=DMARC1; p=quarantine; rua=mailto:dmarc-reports@monsec.io"},
    "_mta-sts.monsec.io": {"TXT": "v=STSv1;id=1707645265270;"},
    "mta-sts.monsec.io": {"A": "185.199.108.153"},
    "_smtp._tls.monsec.io": {"TXT": "v=TLSRPTv1;rua=mailto:smtp-tls-reports@monsec.io;"},
    "smtp.google.com": {"A": "192.0.2.27", "AAAA": "2001:db8:4860::27"},
    "_spf.google.com": {"TXT": "v=spf1 include:_netblocks.google.com include:_netblocks2.google.com include:_netblocks3.google.com ~all"},
    "_netblocks.google.com": {"TXT": "v=spf1 ip4:192.0.2.0/27 ip4:192.0.2.64/26 ~all"},
    "_netblocks2.google.com": {"TXT": "v=spf1 ip6:2001:db8:4860::/48 ~all"},
    "_netblocks3.google.com": {"TXT": "v=spf1 ip4:203.0.113.64/27 ~all"},
    "27.2.0.192.in-addr.arpa": {"PTR": "smtp.google.com"},
    "7.2.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.6.8.4.8.b.d.0.1.0.0.2.ip6.arpa": {"PTR": "smtp.google.com"}
  }
}
JSON

for file in ca.pem tls.pem dkim.pem dnssec.pem generated.zone monsec.io.json; do cp "$work/$file" "$file"; done
echo "wrote ca.pem tls.pem dkim.pem dnssec.pem generated.zone monsec.io.json"
