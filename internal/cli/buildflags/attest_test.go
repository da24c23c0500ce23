package buildflags

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestAttestations: the last of a kind counts, and what is disabled is none.
func TestAttestations(t *testing.T) {
	plain := func(kind string) Attestation { return Attestation{Kind: kind, Options: map[string]string{}} }
	for _, c := range []struct {
		attest           []string
		provenance, sbom string
		want             []Attestation
	}{
		{nil, "", "", nil},
		{nil, "true", "1", []Attestation{plain("provenance"), plain("sbom")}},
		{nil, "mode=max", "", []Attestation{{Kind: "provenance", Options: map[string]string{"mode": "max"}}}},
		{[]string{"type=sbom"}, "", "", []Attestation{plain("sbom")}},
		{[]string{"type=sbom"}, "false", "false", nil},
		{[]string{"type=provenance,disabled=true"}, "", "", nil},
		{[]string{"type=provenance,mode=min", "type=provenance,mode=max,version=v1"}, "", "", []Attestation{
			{Kind: "provenance", Options: map[string]string{"mode": "max", "version": "v1"}},
		}},
	} {
		got, err := Attestations(c.attest, c.provenance, c.sbom)
		if diff := cmp.Diff(c.want, got); diff != "" || err != nil {
			t.Errorf("%v: %v %s", c, err, diff)
		}
	}
	for _, bad := range []string{"", "type=x", "mode=max", "type=sbom,disabled=maybe", "type=sbom,what"} {
		if _, err := Attestations([]string{bad}, "", ""); err == nil {
			t.Errorf("--attest %q is accepted", bad)
		}
	}
	if _, err := Attestations(nil, "nonsense", ""); err == nil {
		t.Error("--provenance nonsense is accepted")
	}
}
