package buildflags

import (
	"encoding/csv"
	"strconv"
	"strings"

	"cove/engine/builds"
	"cove/errdefs"
)

// Attestation is one document about the image that is asked for.
type Attestation struct {
	// Kind is "provenance" or "sbom".
	Kind string
	// Options are its other keys, as mode.
	Options map[string]string
}

// Attestations reads the values of --attest, --provenance and --sbom. The last of a kind
// counts; one that is disabled is none.
func Attestations(attest []string, provenance, sbom string) ([]Attestation, error) {
	all, _, err := attestations(attest, provenance, sbom)
	return all, err
}

// attestations says also of which kinds something was said.
func attestations(attest []string, provenance, sbom string) (all []Attestation, told map[string]bool, err error) {
	asked := map[string]*Attestation{}
	told = map[string]bool{}
	read := func(flag, text string) error {
		a, off, err := parseAttest(text)
		if err != nil {
			return errdefs.Errorf(errdefs.ErrInvalid, "--%s: %w", flag, err)
		}
		asked[a.Kind], told[a.Kind] = &a, true
		if off {
			asked[a.Kind] = nil
		}
		return nil
	}
	for _, text := range attest {
		if err := read("attest", text); err != nil {
			return nil, nil, err
		}
	}
	for kind, value := range map[string]string{"provenance": provenance, "sbom": sbom} {
		if value == "" {
			continue
		}
		text := "type=" + kind + "," + value
		if on, err := strconv.ParseBool(value); err == nil {
			text = "type=" + kind + ",disabled=" + strconv.FormatBool(!on)
		}
		if err := read(kind, text); err != nil {
			return nil, nil, err
		}
	}
	for _, kind := range []string{"provenance", "sbom"} {
		if a := asked[kind]; a != nil {
			all = append(all, *a)
		}
	}
	return all, told, nil
}

// Attest is what the flags ask for; without a word about provenance it is the default.
func Attest(attest []string, provenance, sbom string) (a builds.Attest, err error) {
	asked, told, err := attestations(attest, provenance, sbom)
	if err != nil {
		return a, err
	}
	if !told["provenance"] {
		a.Provenance = builds.DefaultProvenance()
	}
	for _, doc := range asked {
		if doc.Kind == "sbom" {
			a.SBOM, err = true, builds.CheckSBOM(doc.Options)
		} else {
			var p builds.Provenance
			p, err = builds.ParseProvenance(doc.Options)
			a.Provenance = &p
		}
		if err != nil {
			return a, errdefs.Errorf(errdefs.KindOf(err), "--%s: %w", doc.Kind, err)
		}
	}
	return a, nil
}

// parseAttest reads type=KIND[,disabled=true][,KEY=VALUE…].
func parseAttest(text string) (a Attestation, off bool, err error) {
	fields, err := csv.NewReader(strings.NewReader(text)).Read()
	if err != nil {
		return a, off, err
	}
	a.Options = map[string]string{}
	for _, f := range fields {
		key, value, ok := strings.Cut(f, "=")
		switch {
		case !ok:
			return a, off, errdefs.Errorf(errdefs.ErrInvalid, "%q: want true, false or KEY=VALUE", f)
		case key == "type":
			a.Kind = value
		case key == "disabled":
			if off, err = strconv.ParseBool(value); err != nil {
				return a, off, errdefs.Errorf(errdefs.ErrInvalid, "disabled=%s: want true or false", value)
			}
		default:
			a.Options[key] = value
		}
	}
	if a.Kind != "provenance" && a.Kind != "sbom" {
		return a, off, errdefs.Errorf(errdefs.ErrInvalid, "type %q: want provenance or sbom", a.Kind)
	}
	return a, off, nil
}
