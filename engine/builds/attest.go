package builds

import (
	"encoding/json"
	"os"
	"slices"

	"cove/builder"
	"cove/builder/bill"
	"cove/builder/export"
	"cove/builder/history"
	"cove/builder/provenance"
	"cove/errdefs"
	"cove/internal/platforms"
)

// Attest says which documents are stored with an image, Provenance what the one says of
// how it was made.
type (
	Attest     = builder.Attest
	Provenance = provenance.Options
)

// ParseProvenance reads the options of --attest type=provenance, by buildx's keys.
func ParseProvenance(options map[string]string) (Provenance, error) { return provenance.Parse(options) }

// DefaultProvenance is what an image has that nobody asked anything for: a predicate for
// everybody to read, where the image is made for others. BUILDX_NO_DEFAULT_ATTESTATIONS
// turns it off.
func DefaultProvenance() *Provenance {
	if off := os.Getenv("BUILDX_NO_DEFAULT_ATTESTATIONS"); off != "" && off != "0" && off != "false" {
		return nil
	}
	return &Provenance{InlineOnly: true}
}

// CheckSBOM reads the options of --attest type=sbom, by buildx's keys.
func CheckSBOM(options map[string]string) error { return bill.CheckOptions(options) }

// checkAttest refuses documents that somebody asked for where they have no place.
func checkAttest(o Options) error {
	what := ""
	switch p := o.Attest.Provenance; {
	case o.Attest.SBOM:
		what = "an SBOM"
	case p != nil && !p.InlineOnly:
		what = "provenance"
	default:
		return nil
	}
	place := func(out Output) bool {
		return out.IsImage() && out.Documents() != export.NoDocuments
	}
	if len(o.Outputs) > 0 && !slices.ContainsFunc(o.Outputs, place) {
		return errdefs.Errorf(errdefs.ErrUnsupported, "%s is stored with an image, "+
			"and no output of this build has a place for it: use type image, registry or oci", what)
	}
	if !o.Attest.SBOM {
		return nil
	}
	return bill.CheckArgs(o.BuildArgs)
}

// ProvenanceOf is the predicate about each image of a result, by buildx's keys of
// --metadata-file, as BUILDX_METADATA_PROVENANCE says: min, max or disabled.
func ProvenanceOf(res *Result) (map[string]json.RawMessage, error) {
	mode := os.Getenv("BUILDX_METADATA_PROVENANCE")
	if mode == "disabled" || mode == "false" {
		return nil, nil
	}
	out := map[string]json.RawMessage{}
	for _, about := range res.About {
		key := "buildx.build.provenance"
		if len(res.About) > 1 {
			key += "/" + platforms.Format(about.Image.Platform)
		}
		text, err := about.Predicate(Provenance{Max: mode == "max", V02: true})
		if err != nil {
			return nil, err
		}
		out[key] = text
	}
	return out, nil
}

// attach gives the history of a build what the build was made of, and how.
func (r *recording) attach(results []*Result) error {
	for _, res := range results {
		for _, about := range res.About {
			predicate, err := about.Predicate(Provenance{Max: true})
			if err == nil {
				err = r.rec.Attach(predicate, provenance.TypeV1, platforms.Format(about.Image.Platform))
			}
			if err != nil {
				return err
			}
		}
	}
	return nil
}

// materials are what the images of results were made of, each once.
func materials(results []*Result) (all []history.Material) {
	seen := map[history.Material]bool{}
	for _, res := range results {
		for _, about := range res.About {
			for _, m := range about.Materials() {
				kept := history.Material{URI: m.URI, Digest: m.Digest.String()}
				if m.Commit != "" {
					kept.Digest = m.Commit
				}
				if !seen[kept] {
					seen[kept] = true
					all = append(all, kept)
				}
			}
		}
	}
	return all
}
