package signcmd

import (
	"strings"
	"testing"
	"time"

	"github.com/opencontainers/go-digest"

	"cove/distribution/signature"
	"cove/distribution/signature/signaturetest"
	"cove/registry/api/signatures"
	"cove/registry/signing"
)

func TestNamesOfKeys(t *testing.T) {
	t.Parallel()
	for file, want := range map[string]string{
		"cosign.pub": "cosign", "/tmp/release.key.pem": "release.key", "-": "", "./ca": "ca",
	} {
		if got := nameOf(file); got != want {
			t.Errorf("%s: %q, want %q", file, got, want)
		}
	}
}

func TestRowsOfSignatures(t *testing.T) {
	t.Parallel()
	r := signing.Report{Signatures: []signing.Shown{
		{Signature: signature.Signature{Form: signature.Cosign}, Key: "release"},
		{
			Signature: signature.Signature{Form: signature.CosignBundle, Signer: signature.Signer{KeyID: "sha256:ab"}},
			Failure:   signature.Failure{Reason: signature.WrongKey, Detail: "not\nours"},
		},
		{
			Signature: signature.Signature{Form: signature.Notation, Signer: signature.Signer{Subject: "CN=builder"}},
			Failure:   signature.Failure{Reason: signature.Expired, Detail: "over"},
		},
	}}
	want := []string{
		"team/app:v1|cosign|-|yes|release|-",
		"team/app:v1|cosign (bundle)|sha256:ab|no|-|not",
		"team/app:v1|notation|CN=builder|no|-|over",
	}
	items := itemsOf("team/app:v1", signatures.ReportOf(r))
	if len(items) != len(want) {
		t.Fatalf("%d rows", len(items))
	}
	for i, it := range items {
		if got := strings.Join(it.Row, "|"); got != want[i] {
			t.Errorf("%q, want %q", got, want[i])
		}
	}
}

func TestVerdicts(t *testing.T) {
	t.Parallel()
	index := digest.FromString("index")
	unsigned := signature.Failure{Reason: signature.Unsigned, Detail: "it is not signed"}
	for want, r := range map[string]signing.Report{
		"is signed by key a": {Counts: true, Verdict: signing.Verdict{Key: "a"}},
		"is signed by key a, through index " + index.String(): {Counts: true, Verdict: signing.Verdict{Key: "a", Through: index}},
		"it is not signed": {Failure: unsigned},
		"it is not signed; it is not pulled, for its project lets only signed images be": {Failure: unsigned, Required: true},
	} {
		if got := verdict(signatures.ReportOf(r)); got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
}

func TestRowsOfKeys(t *testing.T) {
	t.Parallel()
	at := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	for kind, s := range map[string]signaturetest.Signer{
		"key": signaturetest.New(t, "ecdsa"), "certificate": signaturetest.Certified(t, "builder", at, at.Add(time.Hour)),
	} {
		row := keyItem(signatures.KeyOf(signing.TrustedKey{Key: s.Key(t), By: "ada", At: at})).Row
		if row[0] != "test" || row[1] != kind || row[2] != "ECDSA P-256" || row[4] != "ada" {
			t.Errorf("%s: %v", kind, row)
		}
		if until := map[string]string{"key": "-", "certificate": "2026-03-01 13:00:00 UTC"}[kind]; row[6] != until {
			t.Errorf("%s: until %q", kind, row[6])
		}
	}
}
