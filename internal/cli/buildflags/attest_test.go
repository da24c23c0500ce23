package buildflags

import (
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"

	"cove/engine/builds"
	"cove/errdefs"
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

// TestAttest: without a word there is the default, and what is turned off is off.
func TestAttest(t *testing.T) {
	for _, c := range []struct {
		attest     []string
		provenance string
		want       *builds.Provenance
	}{
		{nil, "", &builds.Provenance{InlineOnly: true}},
		{nil, "false", nil},
		{nil, "true", &builds.Provenance{}},
		{nil, "mode=max", &builds.Provenance{Max: true}},
		{[]string{"type=provenance,mode=max,version=v0.2"}, "", &builds.Provenance{Max: true, V02: true}},
		{[]string{"type=provenance,disabled=true"}, "", nil},
		{[]string{"type=sbom,disabled=true"}, "", &builds.Provenance{InlineOnly: true}},
	} {
		got, err := Attest(c.attest, c.provenance, "")
		if diff := cmp.Diff(c.want, got.Provenance); diff != "" || err != nil {
			t.Errorf("%v: %v %s", c, err, diff)
		}
	}
	for _, bad := range []string{"mode=odd", "version=v9", "odd=1"} {
		if _, err := Attest(nil, bad, ""); !errors.Is(err, errdefs.ErrInvalid) && !errors.Is(err, errdefs.ErrUnsupported) {
			t.Errorf("--provenance %s: %v", bad, err)
		}
	}
	for _, on := range []string{"true", "1"} {
		if got, err := Attest(nil, "", on); err != nil || !got.SBOM {
			t.Errorf("--sbom %s: %+v %v", on, got, err)
		}
	}
	if got, err := Attest([]string{"type=sbom"}, "", "false"); err != nil || got.SBOM {
		t.Errorf("--sbom=false: %+v %v", got, err)
	}
	for _, bad := range []string{"generator=x/y:1", "odd=1"} {
		if _, err := Attest(nil, "", bad); !errors.Is(err, errdefs.ErrUnsupported) {
			t.Errorf("--sbom %s: %v", bad, err)
		}
	}
}
